// Goal: the JSON gateway answers as etcd's does: its paths, its documents, its errors and their
// status, and it bounds what it takes and what it keeps. Method: the door on loopback over an
// engine in memory, plain HTTP, and a method that does as the test says.
import { afterEach, describe, expect, it } from 'vitest';

import { GrpcStatus, type StatusCode, statusCodes } from '../grpc/status.ts';
import { eventually, listen, openConnections, RawClient } from '../http/test-door.fixture.ts';
import { type FakeDoor, fakeDoor } from './gateway-door.fixture.ts';

let door: FakeDoor;
let url: string;
let port: number;
const clients: RawClient[] = [];

afterEach(async () => {
  for (const client of clients.splice(0)) client.close();
  await door.app.close();
});

async function open(options: Parameters<typeof fakeDoor>[0] = {}): Promise<void> {
  door = fakeDoor(options);
  port = await listen(door.app);
  url = `http://127.0.0.1:${port}`;
}

async function connected(): Promise<RawClient> {
  const client = await RawClient.connect(port);
  clients.push(client);
  return client;
}

type Answer = { readonly status: number; readonly body: unknown; readonly headers: Headers };

async function post(path: string, body: unknown, more: RequestInit = {}): Promise<Answer> {
  const text = typeof body === 'string' || body instanceof Uint8Array ? body : JSON.stringify(body);
  const answer = await fetch(`${url}${path}`, { method: 'POST', body: text, ...more });
  return { status: answer.status, body: await answer.json(), headers: answer.headers };
}

const base64 = (text: string): string => Buffer.from(text).toString('base64');
const key = base64('a');

const wrong = (code: number, message: string) => ({ error: message, code, message });

describe('the gateway', () => {
  it('drives the key-value store in the words of etcd', async () => {
    await open();
    const header = { cluster_id: expect.any(String), member_id: expect.any(String) };
    const put = await post('/v3/kv/put', { key, value: base64('1') });
    expect(put).toMatchObject({ status: 200, body: { header: { ...header, revision: '2' } } });
    expect(put.headers.get('content-type')).toBe('application/json');
    await post('/v3/kv/put', { key, value: base64('2') });
    const kv = { key, create_revision: '2', mod_revision: '3', version: '2', value: base64('2') };
    const range = await post('/v3/kv/range', { key, serializable: true });
    expect(range.body).toEqual({
      header: { ...header, revision: '3', raft_term: expect.any(String) },
      kvs: [kv],
      count: '1',
    });
    const txn = await post('/v3/kv/txn', {
      compare: [{ key, target: 'VERSION', result: 'GREATER', version: 1 }],
      success: [{ requestPut: { key: base64('b'), value: key } }, { request_range: { key } }],
      failure: [{ request_delete_range: { key } }],
    });
    expect(txn.body).toMatchObject({
      succeeded: true,
      responses: [
        { response_put: { header: { revision: '4' } } },
        { response_range: { kvs: [kv], count: '1' } },
      ],
    });
    const removed = await post('/v3/kv/deleterange', {
      key,
      range_end: base64('z'),
      prev_kv: true,
    });
    expect(removed.body).toMatchObject({ deleted: '2', prev_kvs: [kv, { key: base64('b') }] });
    expect((await post('/v3/kv/compaction', { revision: '4' })).status).toBe(200);
    expect(await post('/v3/kv/range', { key, revision: 3 })).toMatchObject({
      status: 400,
      body: wrong(11, 'etcdserver: mvcc: required revision has been compacted'),
    });
  });

  it('answers a long range in pieces, as it answers two halves of it', async () => {
    await open();
    const keys = Array.from({ length: 1200 }, (_, at) => base64(`long-${at + 1000}`));
    for (let at = 0; at < 1200; at += 100) {
      const success = keys.slice(at, at + 100).map((one) => ({ request_put: { key: one } }));
      expect((await post('/v3/kv/txn', { success })).status).toBe(200);
    }
    const range = async (from: string, to: string) => {
      const request = { key: base64(`long-${from}`), range_end: base64(`long-${to}`) };
      const { body } = await post('/v3/kv/range', request);
      return body as { kvs: readonly { key: string }[]; header: object; count: string };
    };
    const [whole, first, second] = [
      await range('1000', '2200'),
      await range('1000', '1400'),
      await range('1400', '2200'),
    ];
    expect(whole).toEqual({ ...first, kvs: [...first.kvs, ...second.kvs], count: '1200' });
    expect(whole.kvs.map((kv) => kv.key)).toEqual(keys);
  });

  it('takes any content type, an empty body, and the prefixes of old', async () => {
    await open();
    const types = ['application/json', 'application/x-www-form-urlencoded', 'text/plain', '', '?'];
    for (const type of types) {
      const more = { headers: { 'content-type': type } };
      expect((await post('/v3/kv/put', { key }, more)).status).toBe(200);
    }
    for (const path of ['/v3beta/kv/range', '/v3alpha/kv/range', '/v3/kv/range?pretty=1']) {
      expect((await post(path, { key })).body).toMatchObject({ count: '1' });
    }
    const empty = wrong(3, 'etcdserver: key is not provided');
    for (const body of ['', ' \r\n', '{}', ' null\n']) {
      expect(await post('/v3/kv/range', body)).toMatchObject({ status: 400, body: empty });
    }
  });

  it('says of every code of gRPC what HTTP has for it', async () => {
    await open();
    const expected: Readonly<Record<number, number>> = {
      ...{ 1: 499, 2: 500, 3: 400, 4: 504, 5: 404, 6: 409, 7: 403, 8: 429, 9: 400, 10: 409 },
      ...{ 11: 400, 12: 501, 13: 500, 14: 503, 15: 500, 16: 401 },
    };
    for (const code of Object.values(statusCodes) as StatusCode[]) {
      if (code === statusCodes.ok) continue;
      door.onRange = async () => {
        throw new GrpcStatus(code, `etcdserver: "${code}"`);
      };
      const answer = await post('/fake/kv/range', {});
      expect([code, answer.status]).toEqual([code, expected[code]]);
      expect(answer.body).toEqual(wrong(code, `etcdserver: "${code}"`));
      expect(answer.headers.get('content-type')).toBe('application/json');
    }
  });

  it('says what it does not know', async () => {
    await open();
    for (const path of ['/v3/kv/nosuch', '/v3/', '/v3/kv/range/', '/v3/kv', '/v3/__proto__']) {
      expect(await post(path, {})).toMatchObject({ status: 404, body: wrong(5, 'Not Found') });
    }
    expect(await post('/fake/kv/put', {})).toMatchObject({
      status: 501,
      body: wrong(12, 'unknown method /etcdserverpb.KV/Put'),
    });
    for (const method of ['GET', 'PUT', 'DELETE', 'PATCH', 'OPTIONS']) {
      const answer = await fetch(`${url}/v3/kv/range`, { method });
      expect([answer.status, answer.headers.get('allow')]).toEqual([405, 'POST']);
      expect(await answer.json()).toEqual(wrong(12, 'Method Not Allowed'));
    }
    // The HTTP API beside it still speaks its own way.
    expect((await fetch(`${url}/v3`, { method: 'POST' })).status).toBe(404);
    expect((await fetch(`${url}/v1/kv/a`)).headers.get('content-type')).toContain('problem+json');
  });

  it('gives services what they look for in metadata', async () => {
    await open();
    const names = ['token', 'authorization', 'hasleader', 'accept', 'grpc-timeout'];
    const seen: (string | undefined)[][] = [];
    door.onRange = async (call) => {
      seen.push(names.map((name) => call.header(name)));
      return new Uint8Array(0);
    };
    const ask = (headers: Record<string, string>) => post('/fake/kv/range', {}, { headers });
    await ask({});
    await ask({ Authorization: 'abc.17', 'Grpc-Metadata-hasleader': 'true' });
    await ask({ Authorization: 'Bearer abc.17', 'Grpc-Timeout': '5S' });
    await ask({ Authorization: 'abc', 'Grpc-Metadata-Token': 'def' });
    expect(seen).toEqual([
      [undefined, undefined, undefined, undefined, undefined],
      ['abc.17', 'abc.17', 'true', undefined, undefined],
      ['abc.17', 'abc.17', undefined, undefined, '5S'],
      ['def', 'abc', undefined, undefined, undefined],
    ]);
  });

  it('knows who asks, and for how long', async () => {
    await open();
    const actors: string[] = [];
    door.onRange = async ({ actor, signal }) => {
      actors.push(actor);
      return await new Promise((_, reject) => {
        signal.addEventListener('abort', () => reject(signal.reason));
        if (actors.length === 2) reject(new Error('a fault'));
      });
    };
    const headers = { 'Holdfast-Actor': 'ann', 'Grpc-Timeout': '20m' };
    const waiting = post('/fake/kv/range', {}, { headers });
    await eventually(() => expect(actors).toEqual(['unverified:ann']));
    door.clock.advance(20);
    expect(await waiting).toMatchObject({
      status: 503,
      body: wrong(14, 'etcdserver: request timed out'),
    });
    expect((await post('/fake/kv/range', {})).status).toBe(500);
    expect(actors[1]).toMatch(/^unverified:.*127\.0\.0\.1$/);
    const refused = await post('/v3/kv/range', {}, { headers: { 'Holdfast-Actor': ' ' } });
    expect(refused).toMatchObject({ status: 400, body: { code: 3 } });
    for (const timeout of ['1x', '5', '-1S', '123456789S']) {
      const late = await post('/v3/kv/range', { key }, { headers: { 'Grpc-Timeout': timeout } });
      expect(late).toMatchObject({
        status: 400,
        body: wrong(3, `invalid grpc-timeout: ${timeout}`),
      });
    }
  });
});

describe('bodies that are no message', () => {
  it('are refused, and the connection stays of use', async () => {
    await open();
    const answers = await Promise.all(
      [
        'x',
        '[]',
        '{"key":',
        '{"key":"YQ=="} {"key":"YQ=="}',
        '{"key":"YQ=="} garbage',
        "{'key':'YQ=='}",
        '{"key":"Y"}',
        '{"key":"YQ==","limit":"many"}',
        Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d]),
        '{"a":'.repeat(100_000),
        ['{"success":[{"request_txn":'.repeat(200), '{}', '}]}'.repeat(200)].join(''),
      ].map((body) => post('/v3/kv/range', body)),
    );
    const messages = answers.map(({ status, body }) => {
      const { error, code } = body as { readonly error: string; readonly code: number };
      expect([status, code]).toEqual([400, 3]);
      return error;
    });
    expect(messages).toEqual([
      'the body is not JSON: a message begins with {, not x',
      'the body is not JSON: a message begins with {, not [',
      'the body ends within a message',
      'the body has more than one message',
      'the body is not JSON: a message begins with {, not g',
      expect.stringContaining('the body is not JSON: '),
      'etcdserverpb.RangeRequest.key: expected base64, not "Y"',
      'etcdserverpb.RangeRequest.limit: expected a whole number, not "many"',
      'the body is not UTF-8',
      'the body is nested deeper than 500',
      'the body is nested deeper than 500',
    ]);
    const client = await connected();
    const request = (body: string) =>
      `POST /v3/kv/range HTTP/1.1\r\nHost: x\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
    client.send(request('x') + request('{"key":"YQ=="}'));
    await client.until(/400 Bad[\s\S]*200 OK[\s\S]*}$/);
  });

  it('are bounded as those of gRPC, and their clients hear so', async () => {
    await open();
    // A message of 3,000 bytes has 4,000 of base64 and a little more.
    const fits = await post('/fake/kv/range', { key: base64('x'.repeat(2900)) });
    expect(fits.status).toBe(200);
    const tooLarge = await post('/fake/kv/range', { key: base64('x'.repeat(3100)) });
    expect(tooLarge).toMatchObject({
      status: 429,
      body: wrong(8, 'grpc: received message larger than max (3103 vs. 3000)'),
    });
    const huge = await post('/fake/kv/range', `{"key":"${'x'.repeat(4_000_000)}`);
    expect(huge).toMatchObject({ status: 429, body: { code: 8 } });
    const request = await post('/v3/kv/put', { key, value: base64('x'.repeat(1.6 * 1024 * 1024)) });
    expect(request).toMatchObject({
      status: 400,
      body: wrong(3, 'etcdserver: request is too large'),
    });
  });

  it('are not waited for without end, and cost nothing when they are left', async () => {
    await open({ limits: { requestTimeoutMs: 150, headersTimeoutMs: 100 } });
    const head = 'POST /v3/kv/range HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n';
    const [slow, gone] = [await connected(), await connected()];
    slow.send(`${head}8\r\n{"key":"\r\n`);
    gone.send(`${head}8\r\n{"key":"\r\n`);
    gone.close();
    await slow.closed();
    expect(slow.received).toContain('408 Request Timeout');
    expect((await post('/v3/kv/put', { key })).status).toBe(200);
  });
});

describe('pages of browsers', () => {
  it('are not answered where they come from elsewhere', async () => {
    await open();
    const from = (origin: string) => post('/v3/kv/put', { key }, { headers: { Origin: origin } });
    for (const origin of ['https://evil.example', 'null', `http://127.0.0.1:${port + 1}`]) {
      expect(await from(origin)).toMatchObject({ status: 403, body: { code: 7 } });
    }
    expect((await from(url)).status).toBe(200);
    expect(await post('/v3/kv/range', { key })).toMatchObject({ body: { count: '1' } });
  });
});

it('works no longer for a client that has gone, though it has asked for more', async () => {
  await open();
  let begun = 0;
  const never = new Promise<Uint8Array>(() => undefined);
  door.onRange = () => {
    begun += 1;
    return never;
  };
  const client = await connected();
  const request = 'POST /fake/kv/range HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{}';
  client.send(request.repeat(5));
  await eventually(() => expect(begun).toBe(1));
  client.close();
  await eventually(async () => expect(await openConnections(door)).toBe(0));
  expect(begun).toBe(1);
});

describe('large answers', () => {
  it('are refused where no text can be made of them', async () => {
    await open({ answerBytesMax: 1000 });
    door.onRange = async () => Buffer.alloc(900);
    expect((await post('/fake/kv/range', {})).status).toBe(200);
    door.onRange = async () => Buffer.alloc(1000);
    const refused = { status: 429, body: { code: 8 } };
    expect(await post('/fake/kv/range', {})).toMatchObject(refused);
    door.isCut = true;
    expect(await post('/fake/kv/range', {})).toMatchObject(refused);
  });

  it('that were made at once after all give their turn back before they are read', async () => {
    await open();
    const turns: unknown[] = [];
    door.onRange = async ({ room }) => {
      turns.push(room?.asLong().begin());
      return Buffer.alloc(8 * 1024 * 1024);
    };
    const deaf = await connected();
    deaf.socket.pause();
    deaf.send('POST /fake/kv/range HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}');
    await eventually(() => expect(turns).toEqual([true]));
    await post('/fake/kv/range', {});
    expect(turns).toEqual([true, true]);
  });

  it('wait for room while as much as may be has no reader', async () => {
    const large = 8 * 1024 * 1024;
    await open({ limits: { unreadBytesMax: large, unreadMs: 10_000 } });
    let calls = 0;
    door.onRange = async () => {
      calls += 1;
      return Buffer.alloc(large);
    };
    const request = 'POST /fake/kv/range HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}';
    const reading = await connected();
    reading.socket.pause();
    // The second one is not begun for a client that was given up.
    reading.send(request.repeat(2));
    await eventually(() => expect(calls).toBe(1));
    const next = await connected();
    next.send(request);
    const last = post('/fake/kv/range', {});
    expect((await fetch(`${url}/ping`)).status).toBe(200); // Sent after them, answered before.
    expect(calls).toBe(1);
    // Its reader takes nothing, while others wait: it makes way for them.
    door.clock.advance(5000);
    reading.socket.resume();
    await reading.closed();
    expect((await last).status).toBe(200);
    expect(calls).toBe(3);
  });

  it('that nobody reads hold up no small ones', async () => {
    await open({ limits: { unreadBytesMax: 1024 } });
    let calls = 0;
    door.onRange = async () => {
      calls += 1;
      return Buffer.alloc(8 * 1024 * 1024);
    };
    const deaf = await connected();
    deaf.socket.pause();
    deaf.send('POST /fake/kv/range HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}');
    await eventually(() => expect(calls).toBe(1));
    expect((await post('/v3/kv/put', { key })).status).toBe(200);
  });
});

describe('the times of calls', () => {
  it('tell the gateway from gRPC', async () => {
    await open();
    await post('/v3/kv/put', { key });
    await post('/v3/kv/range', {});
    const text = await (await fetch(`${url}/metrics`)).text();
    const counted = text.split('\n').filter((line) => line.includes('route="gateway"'));
    expect(counted.join('\n')).toContain('KV/Put');
    expect(counted.join('\n')).toMatch(/KV\/Range.*5xx|5xx.*KV\/Range/);
  });
});
