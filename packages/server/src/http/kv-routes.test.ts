// The key-value routes against an engine in memory: each verb, each way to ask, each mistake.
import { HoldfastError } from '@holdfast/base/errors';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { type TestDoor, testDoor } from './test-door.fixture.ts';

let door: TestDoor;

beforeEach(() => {
  door = testDoor();
});

afterEach(async () => {
  await door.app.close();
  expect(door.faults).toEqual([]);
});

const put = (key: string, payload: string | Buffer, headers: Record<string, string> = {}) =>
  door.app.inject({ method: 'PUT', url: `/v1/kv/${key}`, payload, headers });
const get = (path: string, headers: Record<string, string> = {}) =>
  door.app.inject({ method: 'GET', url: `/v1/kv/${path}`, headers });
const post = (url: string, payload: unknown) =>
  door.app.inject({ method: 'POST', url, payload: payload as object });

describe('one key', () => {
  it('takes a value as it is and gives it back byte for byte', async () => {
    const value = Buffer.from([0, 1, 2, 0xff, 0xfe, 13, 10]);
    const written = await put('a', value, { 'content-type': 'image/png' });
    expect(written.statusCode).toBe(200);
    const { revision } = written.json();
    const read = await get('a');
    expect(read.rawPayload).toEqual(value);
    expect(read.headers).toMatchObject({
      etag: `"${revision}"`,
      'x-holdfast-revision': String(revision),
      'x-holdfast-age-ms': '0',
      'x-holdfast-create-revision': String(revision),
      'x-holdfast-version': '1',
      'content-type': 'application/octet-stream',
    });
  });

  it('takes any content type, none, an odd one, and an empty body', async () => {
    expect(
      (await put('json', '{not json', { 'content-type': 'application/json' })).statusCode,
    ).toBe(200);
    expect((await put('none', 'x')).statusCode).toBe(200);
    const odd = { 'content-type': 'x-none/of-these; v=1' };
    expect((await put('odd', 'x', odd)).statusCode).toBe(200);
    expect((await put('none2', 'x', { 'content-type': 'a;;b' })).statusCode).toBe(415);
    expect((await put('empty', '')).statusCode).toBe(200);
    expect((await get('empty')).rawPayload.length).toBe(0);
    expect((await get('json')).payload).toBe('{not json');
  });

  it('reads a value beyond the one-write limit, and at the body limit', async () => {
    const value = Buffer.alloc(1024 * 1024, 7);
    expect((await put('large', value)).statusCode).toBe(200);
    expect((await get('large')).rawPayload.equals(value)).toBe(true);
  });

  it('refuses a value over the limit and names the limit', async () => {
    const answer = await put('large', Buffer.alloc(1024 * 1024 + 1));
    expect(answer.statusCode).toBe(413);
    expect(answer.json()).toMatchObject({ code: 'too-large', limitBytes: 1048576 });
    expect((await get('large')).statusCode).toBe(404);
  });

  it('decodes a key from one path segment, slashes and any text included', async () => {
    const key = 'conf/ü 世界?#%';
    await put(encodeURIComponent(key), 'v');
    const answer = await get(`${encodeURIComponent(key)}?format=json`);
    expect(answer.json()).toMatchObject({ key, text: 'v', valueBase64: 'dg==' });
  });

  it('explains an unescaped slash, an empty key and a bad escape', async () => {
    expect((await put('a/b', 'v')).json().detail).toContain('write a%2Fb');
    expect((await put('', 'v')).statusCode).toBe(400);
    expect((await get('%ff')).statusCode).toBe(400);
    expect((await get('%zz')).json()).toMatchObject({ code: 'invalid-argument' });
  });

  it('answers HEAD with the head alone', async () => {
    await put('a', 'value');
    const answer = await door.app.inject({ method: 'HEAD', url: '/v1/kv/a' });
    expect(answer.statusCode).toBe(200);
    expect(answer.headers['content-length']).toBe('5');
    expect(answer.payload).toBe('');
  });

  it('says not-found with the revision at which it looked', async () => {
    const answer = await get('nothing');
    expect(answer.statusCode).toBe(404);
    expect(answer.headers['content-type']).toContain('application/problem+json');
    expect(answer.json()).toMatchObject({ code: 'not-found', ageMs: 0 });
    expect(answer.json().revision).toBeTypeOf('number');
  });

  it('deletes once', async () => {
    await put('a', '1');
    const remove = () => door.app.inject({ method: 'DELETE', url: '/v1/kv/a?prev=true' });
    expect((await remove()).json()).toMatchObject({ deleted: 1, prev: { text: '1' } });
    expect((await remove()).json()).toMatchObject({ deleted: 0, prev: null });
  });

  it('gives back what stood there before', async () => {
    await put('a', '1');
    const answer = await put('a?prev=true', '2');
    expect(answer.json().prev).toMatchObject({ text: '1', version: 1 });
  });
});

describe('conditions', () => {
  it('creates once with If-None-Match: *', async () => {
    const create = () => put('a', '1', { 'if-none-match': '*' });
    expect((await create()).statusCode).toBe(200);
    const again = await create();
    expect(again.statusCode).toBe(412);
    expect(again.json()).toMatchObject({ code: 'failed-precondition', outcome: 'not-applied' });
  });

  it('replaces only the revision that If-Match names', async () => {
    const { revision } = (await put('a', '1')).json();
    expect((await put('a', '2', { 'if-match': `"${revision}"` })).statusCode).toBe(200);
    const stale = await put('a', '3', { 'if-match': `"${revision}"` });
    expect(stale.statusCode).toBe(412);
    expect(stale.json().currentRevision).toBe(revision + 1);
    expect((await get('a')).payload).toBe('2');
  });

  it('writes only what is there with If-Match: *', async () => {
    expect((await put('a', '1', { 'if-match': '*' })).statusCode).toBe(412);
    await put('a', '1');
    expect((await put('a', '2', { 'if-match': '*' })).statusCode).toBe(200);
  });

  it('deletes only the revision that If-Match names', async () => {
    const { revision } = (await put('a', '1')).json();
    const remove = (tag: string) =>
      door.app.inject({ method: 'DELETE', url: '/v1/kv/a', headers: { 'if-match': tag } });
    expect((await remove('"999"')).statusCode).toBe(412);
    expect((await remove(`"${revision}"`)).json()).toMatchObject({ deleted: 1 });
  });

  it('answers 304 where the reader has the value', async () => {
    const { revision } = (await put('a', '1')).json();
    const answer = await get('a', { 'if-none-match': `"${revision}"` });
    expect([answer.statusCode, answer.payload]).toEqual([304, '']);
  });

  it('refuses a tag that is none, and two questions at once', async () => {
    expect((await put('a', '1', { 'if-match': 'abc' })).statusCode).toBe(400);
    expect((await put('a', '1', { 'if-match': '*', 'if-none-match': '*' })).statusCode).toBe(400);
  });
});

describe('freshness', () => {
  it('reads old revisions', async () => {
    const { revision } = (await put('a', '1')).json();
    await put('a', '2');
    expect((await get(`a?revision=${revision}`)).payload).toBe('1');
  });

  it('says how old a stale read is, and that it does not know', async () => {
    await put('a', '1');
    door.engine.ageMs = 12.2;
    expect((await get('a?consistency=stale')).headers['x-holdfast-age-ms']).toBe('13');
    door.engine.ageMs = undefined;
    expect((await get('a?consistency=stale')).headers['x-holdfast-age-ms']).toBe('unknown');
  });

  it('refuses a bounded read of unknown age', async () => {
    door.engine.ageMs = undefined;
    const answer = await get('a?consistency=bounded&max-age-ms=500');
    expect([answer.statusCode, answer.json().code]).toEqual([503, 'stale-unknown']);
  });

  it.each([
    ['a?consistancy=stale', 'consistancy'],
    ['a?consistency=eventual', 'linearizable, bounded or stale'],
    ['a?consistency=bounded', 'max-age-ms'],
    ['a?consistency=stale&max-age-ms=5', 'bounded'],
    ['a?revision=-1', 'whole number'],
    ['a?format=xml', 'raw or json'],
    ['a?format=json&format=raw', 'twice'],
  ])('refuses %s', async (path, words) => {
    const answer = await get(path);
    expect(answer.statusCode).toBe(400);
    expect(answer.json().detail).toContain(words);
  });
});

describe('a list', () => {
  it('pages at the revision of the first page', async () => {
    for (const key of ['a1', 'a2', 'a3', 'b1']) await put(key, key);
    const first = (await door.app.inject('/v1/kv?prefix=a&limit=2')).json();
    expect(first.items.map((item: { key: string }) => item.key)).toEqual(['a1', 'a2']);
    await put('a25', 'later');
    await put('a3', 'changed');
    const next = encodeURIComponent(first.next);
    const second = (await door.app.inject(`/v1/kv?prefix=a&limit=2&cursor=${next}`)).json();
    expect(second.items).toMatchObject([{ key: 'a3', text: 'a3' }]);
    expect(second.next).toBeNull();
  });

  it('lists everything, and without values', async () => {
    for (let at = 0; at < 40; at += 1) await put(`k${at}`, 'v');
    const all = (await door.app.inject('/v1/kv?keys-only=true&limit=1000')).json();
    expect(all.items.length).toBe(40);
    expect(all.items[0]).not.toHaveProperty('valueBase64');
    expect((await door.app.inject('/v1/kv')).json().items.length).toBe(40);
  });

  it('ends a page of large values early', async () => {
    const value = Buffer.alloc(900 * 1024);
    for (let at = 0; at < 6; at += 1) await put(`k${at}`, value);
    const first = (await door.app.inject('/v1/kv?limit=1000')).json();
    expect(first.items.length).toBe(5);
    const second = (await door.app.inject(`/v1/kv?cursor=${first.next}`)).json();
    expect(second.items).toMatchObject([{ key: 'k5' }]);
  });

  it('refuses limits and cursors that are none', async () => {
    expect((await door.app.inject('/v1/kv?limit=0')).statusCode).toBe(400);
    expect((await door.app.inject('/v1/kv?limit=1001')).statusCode).toBe(400);
    expect((await door.app.inject('/v1/kv?cursor=zzz')).statusCode).toBe(400);
  });
});

describe('a transaction', () => {
  it('compares and does one or the other', async () => {
    await put('a', '1');
    const txn = {
      compare: [{ key: 'a', target: 'value', is: 'equal', value: '1' }],
      success: [{ put: { key: 'b', valueBase64: 'AP8=' } }, { get: { prefix: '' } }],
      failure: [{ delete: { prefix: '' } }],
    };
    const done = (await post('/v1/txn', txn)).json();
    expect(done).toMatchObject({
      succeeded: true,
      responses: [
        { put: {} },
        { get: { count: 2, items: [{ key: 'a' }, { valueBase64: 'AP8=' }] } },
      ],
    });
    await put('a', '2');
    const other = (await post('/v1/txn', txn)).json();
    expect(other).toMatchObject({ succeeded: false, responses: [{ delete: { deleted: 2 } }] });
  });

  it.each([
    [{ compares: [] }, 'the body at'],
    [{ compare: [{ key: 'a', target: 'weight', is: 'equal' }] }, 'the body at'],
    [{ compare: [{ key: 'a', target: 'version', is: 'equal' }] }, 'needs number'],
    [{ success: [{ put: { key: 'a' } }] }, 'value and valueBase64'],
    [{ success: [{ put: { key: 'a', valueBase64: '***' } }] }, 'not base64'],
    [{ success: [{ get: { key: 'a', prefix: 'b' } }] }, 'name one of key'],
    [{ success: [{ get: { key: 'a' }, put: { key: 'b', value: '' } }] }, 'the body at'],
  ])('refuses %j', async (body, words) => {
    const answer = await post('/v1/txn', body);
    expect(answer.statusCode).toBe(400);
    expect(answer.json().detail).toContain(words);
  });
});

describe('compaction', () => {
  it('answers 410 with the compact revision afterwards', async () => {
    const { revision } = (await put('a', '1')).json();
    await put('a', '2');
    expect((await post('/v1/compact', { revision: revision + 1 })).statusCode).toBe(200);
    const old = await get(`a?revision=${revision}`);
    expect(old.statusCode).toBe(410);
    expect(old.json()).toMatchObject({ code: 'compacted', compactRevision: revision + 1 });
  });
});

describe('refusals', () => {
  it('lists the missing voters of a lost quorum, and says that nothing was applied', async () => {
    door.engine.refusal = new HoldfastError('no-quorum', 'two of three voters are missing', {
      details: { missingVoters: ['n2', 'n3'] },
    });
    const answer = await put('a', '1');
    expect(answer.statusCode).toBe(503);
    expect(answer.headers['retry-after']).toBe('1');
    expect(answer.json()).toMatchObject({
      code: 'no-quorum',
      outcome: 'not-applied',
      retryable: true,
      missingVoters: ['n2', 'n3'],
    });
  });

  it('does not ignore the headers of exactly-once writes', async () => {
    const answer = await put('a', '1', { 'holdfast-session': '1' });
    expect([answer.statusCode, answer.json().code]).toEqual([400, 'invalid-argument']);
    expect((await get('a')).statusCode).toBe(404);
  });

  it('refuses an actor and a timeout that are none', async () => {
    expect((await put('a', '1', { 'holdfast-actor': '\u0001' })).statusCode).toBe(400);
    expect((await put('a', '1', { 'holdfast-timeout-ms': 'soon' })).statusCode).toBe(400);
  });
});
