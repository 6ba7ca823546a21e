// Goal: the contract of /v1/configs and /v1/watch as a client sees it. Method: the whole app on an
// engine in memory, injected requests, and real sockets for the event stream.
import { HoldfastError } from '@holdfast/base/errors';
import { revision } from '@holdfast/base/ids';
import { SystemClock } from '@holdfast/base/system-clock';
import type { InjectOptions } from 'fastify';
import { afterEach, describe, expect, it } from 'vitest';

import { configRoutes } from './config-routes.ts';
import { listen, RawClient, type TestDoor, testDoor } from './test-door.fixture.ts';

const doors: TestDoor[] = [];
const clients: RawClient[] = [];

afterEach(async () => {
  for (const client of clients.splice(0)) client.close();
  for (const door of doors.splice(0)) await door.app.close();
});

function openDoor(options: Parameters<typeof testDoor>[0] = {}): TestDoor {
  const door = testDoor({ routes: [configRoutes()], ...options });
  doors.push(door);
  return door;
}

const path = '/v1/configs/shop/web/app.yaml';

type Headers = Readonly<Record<string, string>>;

const put = (door: TestDoor, url: string, payload: string | Buffer, headers: Headers = {}) =>
  door.app.inject({ method: 'PUT', url, payload, headers });
const get = (door: TestDoor, url: string, headers: Headers = {}) =>
  door.app.inject({ method: 'GET', url, headers });

describe('PUT and GET', () => {
  it('give back every byte, with the facts in headers', async () => {
    const door = openDoor();
    const content = Buffer.concat([Buffer.from([0xef, 0xbb, 0xbf]), Buffer.from('a: 1\r\nb: é\n')]);
    const written = await put(door, path, content, { 'holdfast-comment': 'first: grüße' });
    expect(written.statusCode).toBe(200);
    expect(written.headers).toMatchObject({ etag: '"1"', 'x-holdfast-version': '1' });
    expect(written.json()).toMatchObject({
      namespace: 'shop',
      group: 'web',
      name: 'app.yaml',
      kind: 'publish',
      version: 1,
      revision: 2,
      format: 'yaml',
      bytes: content.length,
      actor: 'unverified:127.0.0.1',
      changed: true,
    });
    const read = await get(door, path);
    expect(read.rawPayload.equals(content)).toBe(true);
    expect(read.headers).toMatchObject({
      etag: '"1"',
      'content-type': 'application/yaml',
      'content-length': String(content.length),
      'x-holdfast-revision': '2',
      'x-holdfast-version': '1',
      'x-holdfast-age-ms': '0',
      'x-holdfast-format': 'yaml',
      'x-content-type-options': 'nosniff',
      'content-security-policy': expect.stringContaining('sandbox'),
    });
    const metadata = await get(door, `${path}?metadata=true`);
    expect(metadata.json()).toMatchObject({ version: 1, comment: 'first: grüße' });
  });

  it('understands a comment in UTF-8 bytes', async () => {
    const door = openDoor();
    const bytes = Buffer.from('配置').toString('latin1');
    const written = await put(door, path, 'a: 1', { 'holdfast-comment': bytes });
    expect(written.json().comment).toBe('配置');
    expect((await put(door, `${path}?comment=x`, 'a: 2')).json().comment).toBe('x');
    const twice = await put(door, `${path}?comment=x`, 'a: 3', { 'holdfast-comment': 'y' });
    expect(twice.statusCode).toBe(400);
  });

  it('take a body of any content type, and none', async () => {
    const door = openDoor();
    for (const type of ['application/json', 'multipart/form-data', 'nonsense', 'text/html']) {
      const written = await put(door, '/v1/configs/s/g/notes', `"${type}"`, {
        'content-type': type,
      });
      expect(written.statusCode, type).toBe(200);
    }
    const empty = await door.app.inject({ method: 'PUT', url: '/v1/configs/s/g/empty' });
    expect(empty.json()).toMatchObject({ bytes: 0, format: 'text' });
    expect((await get(door, '/v1/configs/s/g/empty')).rawPayload).toHaveLength(0);
  });

  it('refuse what does not parse, with line and column', async () => {
    const door = openDoor();
    const refused = await put(door, path, 'a: 1\nb: [1');
    expect(refused.statusCode).toBe(400);
    expect(refused.headers['content-type']).toMatch('application/problem+json');
    expect(refused.json()).toMatchObject({
      code: 'invalid-argument',
      outcome: 'not-applied',
      format: 'yaml',
      line: 2,
      column: expect.any(Number),
    });
    expect((await put(door, `${path}?format=text`, 'a: [1')).statusCode).toBe(200);
    expect((await put(door, `${path}?format=jsonc`, '1')).json().formats).toContain('json');
    expect((await get(door, path)).payload).toBe('a: [1');
  });

  it('take up to 1 MiB, and name the limit beyond it', async () => {
    const door = openDoor();
    const limit = 1024 * 1024;
    const url = '/v1/configs/s/g/large.txt';
    expect((await put(door, url, Buffer.alloc(limit))).statusCode).toBe(200);
    const refused = await put(door, url, Buffer.alloc(limit + 1));
    expect(refused.statusCode).toBe(413);
    expect(refused.json()).toMatchObject({ code: 'too-large', limitBytes: limit });
  });

  it.each([
    ['/v1/configs/shop/web/..%2F..', 400],
    ['/v1/configs/shop/web/a%2F..%2Fb', 400],
    ['/v1/configs/..%2F/web/a', 400],
    ['/v1/configs/shop/web/a%00b', 400],
    ['/v1/configs/shop/web/a%0Ab', 400],
    ['/v1/configs/shop/web/%2Fetc', 400],
    ['/v1/configs/shop/web/a/b', 400],
    ['/v1/configs/shop/web/', 400],
    ['/v1/configs/shop/web/%ff', 400],
    ['/v1/configs/shop/web/a?colour=red', 400],
    [`/v1/configs/shop/web/${'n'.repeat(1025)}`, 400],
    [`/v1/configs/shop/web/${'%C3%A9'.repeat(512)}`, 200],
    ['/v1/configs/shop/web/a%2Fb%20c.json?format=text', 200],
  ])('answer PUT %s with %i', async (url, status) => {
    const door = openDoor();
    const answer = await put(door, url, '1');
    expect(answer.statusCode).toBe(status);
    if (status !== 200) expect(answer.json().code).toBe('invalid-argument');
  });

  it('refuse dots that a client did not resolve itself', async () => {
    const door = openDoor();
    const client = await RawClient.connect(await listen(door.app));
    clients.push(client);
    const names = ['..', '%2e%2e', '.', '%2E'];
    for (const name of names) {
      client.send(
        `PUT /v1/configs/shop/web/${name} HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n`,
      );
    }
    await client.until(/(?:HTTP\/1.1 400[\s\S]*){4}/);
    expect(client.received.match(/must not contain/g)).toHaveLength(names.length);
  });

  it('answer 404 for what is not there, and say what was deleted', async () => {
    const door = openDoor();
    expect((await get(door, path)).json()).toMatchObject({ status: 404, code: 'not-found' });
    await put(door, path, 'a: 1');
    const deleted = await door.app.inject({ method: 'DELETE', url: `${path}?comment=old` });
    expect(deleted.json()).toMatchObject({
      kind: 'delete',
      version: 2,
      comment: 'old',
      hash: null,
    });
    expect((await get(door, path)).json()).toMatchObject({ status: 404, deletedVersion: 2 });
    expect((await door.app.inject({ method: 'DELETE', url: path })).statusCode).toBe(404);
  });

  it('answer HEAD as GET, without the content', async () => {
    const door = openDoor();
    await put(door, path, 'a: 1');
    const head = await door.app.inject({ method: 'HEAD', url: path });
    expect(head.headers).toMatchObject({ etag: '"1"', 'content-length': '4' });
    expect(head.payload).toBe('');
  });
});

describe('conditions', () => {
  const change = (door: TestDoor, options: InjectOptions) =>
    door.app.inject({ method: 'PUT', url: path, payload: 'a: 2', ...options });

  it.each([
    [{ headers: { 'if-match': '"1"' } }, 200],
    [{ headers: { 'if-match': '"2"' } }, 412],
    [{ headers: { 'if-match': '*' } }, 200],
    [{ headers: { 'if-none-match': '*' } }, 412],
    [{ headers: { 'if-none-match': '"1"' } }, 400],
    [{ headers: { 'if-match': 'x' } }, 400],
    [{ url: `${path}?if-revision=2` }, 200],
    [{ url: `${path}?if-revision=3` }, 412],
    [{ url: `${path}?if-revision=0` }, 412],
  ])('%j on version 1 at revision 2: %i', async (options, status) => {
    const door = openDoor();
    await put(door, path, 'a: 1');
    const answer = await change(door, options);
    expect(answer.statusCode).toBe(status);
    if (status === 412) {
      expect(answer.json()).toMatchObject({ code: 'failed-precondition', version: 1, revision: 2 });
    }
  });

  it('create only, and answer 304 to who knows the version', async () => {
    const door = openDoor();
    expect((await change(door, { headers: { 'if-none-match': '*' } })).statusCode).toBe(200);
    const known = await get(door, path, { 'if-none-match': '"7", W/"1"' });
    expect(known.statusCode).toBe(304);
    expect(known.headers.etag).toBe('"1"');
    expect(known.payload).toBe('');
    expect((await get(door, path, { 'if-none-match': '"2"' })).statusCode).toBe(200);
  });

  it('calls the same content no change, unless forced', async () => {
    const door = openDoor();
    await change(door, {});
    expect((await change(door, {})).json()).toMatchObject({ version: 1, changed: false });
    const forced = await change(door, { url: `${path}?force=true` });
    expect(forced.json()).toMatchObject({ version: 2, changed: true });
  });
});

describe('history and rollback', () => {
  it('page through versions, and bring one back', async () => {
    const door = openDoor();
    for (const text of ['a: 1', 'a: 2', 'a: 3']) await put(door, path, text);
    const first = (await get(door, `${path}/history?limit=2`)).json();
    expect(first.versions.map((one: { version: number }) => one.version)).toEqual([3, 2]);
    const second = (await get(door, `${path}/history?limit=2&cursor=${first.next}`)).json();
    expect(second).toMatchObject({ versions: [{ version: 1 }], next: null });
    expect((await get(door, `${path}?version=2`)).payload).toBe('a: 2');
    expect((await get(door, `${path}?version=9`)).statusCode).toBe(404);
    const back = await door.app.inject({
      method: 'POST',
      url: `${path}/rollback`,
      payload: { version: 1, comment: 'worked before' },
    });
    expect(back.json()).toMatchObject({ kind: 'rollback', version: 4, restoredVersion: 1 });
    expect((await get(door, path)).payload).toBe('a: 1');
  });

  it.each([
    ['{"version":1}', 'text/plain', 415],
    ['{"version":1', 'application/json', 400],
    ['{"version":"1"}', 'application/json', 400],
    ['{"version":1,"colour":"red"}', 'application/json', 400],
    ['{"version":9}', 'application/json', 404],
  ])('answer POST rollback %s as %s with %i', async (payload, type, status) => {
    const door = openDoor();
    await put(door, path, 'a: 1');
    const headers = { 'content-type': type };
    const url = `${path}/rollback`;
    const answer = await door.app.inject({ method: 'POST', url, payload, headers });
    expect(answer.statusCode).toBe(status);
  });
});

describe('lists', () => {
  it('filter by path and query, in pages that fit together', async () => {
    const door = openDoor();
    for (const name of ['a', 'b', 'c']) {
      await put(door, `/v1/configs/n1/g1/${name}`, name);
      await put(door, `/v1/configs/n1/g2/${name}`, name);
      await put(door, `/v1/configs/n2/g1/${name}`, name);
    }
    const count = async (url: string): Promise<number> =>
      (await get(door, url)).json().items.length;
    expect(await count('/v1/configs')).toBe(9);
    expect(await count('/v1/configs/n1')).toBe(6);
    expect(await count('/v1/configs/n1/g2')).toBe(3);
    expect(await count('/v1/configs?group=g1')).toBe(6);
    expect(await count('/v1/configs/n1/g2?prefix=b')).toBe(1);
    const first = (await get(door, '/v1/configs?limit=5')).json();
    await put(door, '/v1/configs/n1/g1/new', 'new');
    const rest = (await get(door, `/v1/configs?cursor=${encodeURIComponent(first.next)}`)).json();
    expect(first.items.length + rest.items.length).toBe(9);
    expect(rest.next).toBeNull();
    expect((await get(door, '/v1/configs?cursor=zzz')).statusCode).toBe(400);
    expect((await get(door, '/v1/configs?limit=x')).statusCode).toBe(400);
  });
});

describe('freshness', () => {
  it('reads stale without a quorum, says its age, and refuses writes', async () => {
    const door = openDoor();
    await put(door, path, 'a: 1');
    door.engine.refusal = new HoldfastError('no-quorum', 'missing', {
      details: { missingVoters: ['n2', 'n3'] },
    });
    door.engine.ageMs = 1500;
    const refused = await put(door, path, 'a: 2');
    expect(refused.statusCode).toBe(503);
    expect(refused.json().missingVoters).toEqual(['n2', 'n3']);
    expect((await get(door, path)).statusCode).toBe(503);
    const stale = await get(door, `${path}?consistency=stale`);
    expect(stale.headers['x-holdfast-age-ms']).toBe('1500');
    expect((await get(door, `${path}?max-age-ms=100`)).json().code).toBe('stale-unknown');
    door.engine.ageMs = undefined;
    const unknown = await get(door, `${path}?consistency=stale`);
    expect(unknown.headers['x-holdfast-age-ms']).toBe('unknown');
  });

  it('tells who comes too early that the member starts', async () => {
    const door = openDoor();
    door.slot.close();
    expect((await get(door, path)).json()).toMatchObject({ status: 503, code: 'shutting-down' });
  });
});

describe('GET /v1/watch', () => {
  async function follow(
    query: string,
    headers = '',
  ): Promise<{ door: TestDoor; client: RawClient }> {
    const door = openDoor({ clock: new SystemClock(), limits: { heartbeatMs: 30 } });
    for (const text of ['a: 1', 'a: 2']) await put(door, path, text);
    const client = await RawClient.connect(await listen(door.app));
    clients.push(client);
    client.send(`GET /v1/watch${query} HTTP/1.1\r\nHost: x\r\n${headers}\r\n`);
    return { door, client };
  }

  it('tells changes in order from a revision on, then as they come', async () => {
    const { door, client } = await follow('?namespace=shop&revision=2');
    await client.until(/"version":2/);
    await put(door, '/v1/configs/elsewhere/web/x', '1');
    await put(door, path, 'a: 3');
    await door.app.inject({ method: 'DELETE', url: path });
    await client.until(/event: delete\n.*\n\n/);
    const events = [...client.received.matchAll(/id: (\d+)\nevent: (publish|delete)\n/g)];
    expect(events.map(([, id, event]) => `${id} ${event}`)).toEqual([
      '2 publish',
      '3 publish',
      '5 publish',
      '6 delete',
    ]);
    expect(client.received).toMatch('Content-Type: text/event-stream');
    expect(client.received).not.toMatch('elsewhere');
  });

  it('resumes behind Last-Event-ID, brings contents along, and shows life', async () => {
    const { client } = await follow('?name=app.yaml&content=true', 'Last-Event-ID: 2\r\n');
    await client.until(/event: publish/);
    await client.until(/: alive/);
    await client.until(/event: progress/);
    expect(client.received).not.toMatch('"version":1');
    expect(client.received).toMatch('"content":"a: 2"');
  });

  it('answers 410 where history is gone, and 400 to nonsense', async () => {
    const door = openDoor();
    for (const text of ['a: 1', 'a: 2', 'a: 3']) await put(door, path, text);
    await door.engine.compact({ revision: revision(4) }, { actor: 'test' });
    const gone = await get(door, '/v1/watch?revision=2');
    expect(gone.statusCode).toBe(410);
    expect(gone.json()).toMatchObject({ code: 'compacted', compactRevision: 4 });
    expect((await get(door, '/v1/watch?revision=x')).statusCode).toBe(400);
    expect((await get(door, '/v1/watch?namespace=..')).statusCode).toBe(400);
  });

  it('tells a reader that was too slow for its history of the gap', async () => {
    const { door, client } = await follow('?namespace=shop&content=true');
    await client.until(/event: started/);
    client.socket.pause();
    const wide = Buffer.alloc(1024 * 1024, 'x');
    for (let at = 0; at < 24; at += 1) {
      wide.writeUInt8(0x61 + at, 0);
      await put(door, '/v1/configs/shop/web/wide.txt', wide);
    }
    const { revision: last } = door.engine.status();
    await door.engine.compact({ revision: last }, { actor: 'test' });
    client.socket.resume();
    await client.until(/event: gap\ndata: .*"compactRevision":27/);
    await client.until(/\r\n0\r\n\r\n$/);
  });

  it('lets the watch go when its client goes', async () => {
    const { door, client } = await follow('?namespace=shop');
    await client.until(/event: started/);
    client.close();
    await client.closed();
    await door.app.close();
    expect(door.faults).toEqual([]);
  });
});

describe('the description', () => {
  it('names every route of configurations', async () => {
    const door = openDoor();
    const paths = Object.keys((await get(door, '/openapi.json')).json().paths);
    expect(paths).toEqual(
      expect.arrayContaining([
        '/v1/configs/{namespace}/{group}/{name}',
        '/v1/configs/{namespace}/{group}/{name}/history',
        '/v1/configs/{namespace}/{group}/{name}/rollback',
        '/v1/configs',
        '/v1/watch',
      ]),
    );
  });
});
