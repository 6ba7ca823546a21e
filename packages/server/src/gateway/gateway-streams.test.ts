// Goal: streams of the gateway take messages as they come and answer each in a chunk of its own, at
// once; they last as long as both sides like, wait for slow readers, and end with a reason. Method:
// the door on loopback, clients that write HTTP by hand, and a stream that does as the test says.
import { SystemClock } from '@holdfast/base/system-clock';
import { afterEach, describe, expect, it } from 'vitest';

import { GrpcStatus, statusCodes } from '../grpc/status.ts';
import { eventually, listen, RawClient } from '../http/test-door.fixture.ts';
import { type FakeDoor, type FakeStream, fakeDoor } from './gateway-door.fixture.ts';

let door: FakeDoor;
let port: number;
const clients: RawClient[] = [];

afterEach(async () => {
  for (const client of clients.splice(0)) client.close();
  await door.app.close();
});

async function open(options: Parameters<typeof fakeDoor>[0] = {}): Promise<void> {
  door = fakeDoor(options);
  port = await listen(door.app);
}

async function connected(): Promise<RawClient> {
  const client = await RawClient.connect(port);
  clients.push(client);
  return client;
}

const keepAlive = '/fake/lease/keepalive';
const chunk = (text: string): string => `${text.length.toString(16)}\r\n${text}\r\n`;
const endOfBody = '0\r\n\r\n';
const head = (path: string, ...headers: readonly string[]): string =>
  [`POST ${path} HTTP/1.1`, 'Host: x', 'Transfer-Encoding: chunked', ...headers, '', ''].join(
    '\r\n',
  );
const whole = (path: string, body: string): string =>
  `POST ${path} HTTP/1.1\r\nHost: x\r\nContent-Length: ${body.length}\r\n\r\n${body}`;

/** A client whose body stays open, and its stream. */
async function conversation(...headers: readonly string[]) {
  const client = await connected();
  const before = door.streams.length;
  client.send(head(keepAlive, ...headers));
  await eventually(() => expect(door.streams.length).toBe(before + 1));
  return { client, stream: door.streams.at(-1) as FakeStream };
}

/** A client that has said all, and its stream. */
async function download() {
  const client = await connected();
  const before = door.streams.length;
  client.send(whole('/fake/maintenance/snapshot', ''));
  await eventually(() => expect(door.streams.length).toBe(before + 1));
  return { client, stream: door.streams.at(-1) as FakeStream };
}

/** More than sockets hold. Answers whether there was room for the last part. */
function fill(stream: FakeStream): boolean {
  let hasRoom = true;
  for (let at = 0; at < 200; at += 1) hasRoom = stream.part(Buffer.alloc(64 * 1024));
  return hasRoom;
}

/** The chunks of the answer's body, so far. */
function chunksOf({ received }: RawClient): string[] {
  const chunks: string[] = [];
  let rest = received.slice(received.indexOf('\r\n\r\n') + 4);
  for (;;) {
    const [size = ''] = rest.split('\r\n', 1);
    const length = Number.parseInt(size, 16);
    const begin = size.length + 2;
    if (!(length >= 0) || rest.length < begin + length + 2) return chunks;
    chunks.push(rest.slice(begin, begin + length));
    rest = rest.slice(begin + length + 2);
  }
}

const resultOf = (id: number): string => `{"result":{"ID":"${id}","TTL":"7"}}\n`;
const echo = (stream: FakeStream, id: string): void => void stream.answer(BigInt(id));

const errorLine = (code: number, http: readonly [number, string], message: string): string => {
  const [httpCode, httpStatus] = http;
  const facts = { grpc_code: code, http_code: httpCode, message, http_status: httpStatus, code };
  return `${JSON.stringify({ error: facts })}\n`;
};

describe('a stream of the gateway', () => {
  it('answers each message in a chunk of its own, at once, while the body stays open', async () => {
    await open();
    door.onMessage = echo;
    const { client, stream } = await conversation();
    expect(client.received).toBe('');
    client.send(chunk('{"ID":1}'));
    await eventually(() => expect(chunksOf(client)).toEqual([resultOf(1)]));
    expect(client.received).toMatch(/^HTTP\/1.1 200 OK\r\nContent-Type: application\/json\r\n/);
    client.send(chunk('{"ID":"2"}{"ID":3}\n {"I'));
    await eventually(() => expect(chunksOf(client)).toEqual([1, 2, 3].map(resultOf)));
    client.send(chunk('D":4}'));
    await eventually(() => expect(chunksOf(client)).toEqual([1, 2, 3, 4].map(resultOf)));
    expect(stream).toMatchObject({ messages: ['1', '2', '3', '4'], hasEnded: false });
    client.send(endOfBody);
    await eventually(() => expect(stream.hasEnded).toBe(true));
    stream.answer(5n);
    stream.call.end('ok');
    await eventually(() =>
      expect(chunksOf(client)).toEqual([...[1, 2, 3, 4, 5].map(resultOf), '']),
    );
    expect(stream.isGone).toBe(true);
  });

  it('leaves its connection to the next call, where its body has ended', async () => {
    await open();
    door.onMessage = (stream, id) => {
      stream.answer(BigInt(id));
      stream.call.end('ok');
    };
    const client = await connected();
    client.send(whole(keepAlive, '{"ID":1}'));
    await eventually(() => expect(chunksOf(client)).toEqual([resultOf(1), '']));
    client.received = '';
    client.send(whole(keepAlive, '{"ID":2}'));
    await eventually(() => expect(chunksOf(client)).toEqual([resultOf(2), '']));
    expect(client.socket.closed).toBe(false);
    // A body that is still open leaves nothing to be reused.
    const unfinished = await conversation();
    unfinished.client.send(chunk('{"ID":3}'));
    await unfinished.client.closed();
    expect(chunksOf(unfinished.client)).toEqual([resultOf(3), '']);
  });

  it('ends with the reason as its last line, or as the status where nothing was said', async () => {
    await open();
    const { client, stream } = await conversation();
    stream.answer(1n);
    stream.call.end(new GrpcStatus(statusCodes.unavailable, 'etcdserver: no leader'));
    await client.closed();
    const line = errorLine(14, [503, 'Service Unavailable'], 'etcdserver: no leader');
    expect(chunksOf(client)).toEqual([resultOf(1), line, '']);
    const early = await conversation();
    early.stream.call.end(new GrpcStatus(statusCodes.unauthenticated, 'etcdserver: who?'));
    await early.client.closed();
    expect(early.client.received).toMatch(/^HTTP\/1.1 401 Unauthorized\r\n/);
    expect(early.client.received).toContain(
      errorLine(16, [401, 'Unauthorized'], 'etcdserver: who?'),
    );
    const cancelled = await conversation();
    cancelled.stream.call.end(new GrpcStatus(statusCodes.cancelled, 'etcdserver: gone'));
    await cancelled.client.closed();
    expect(cancelled.client.received).toContain('"http_code":499');
  });

  it('ends where a message is none, and its method is told that nobody is there', async () => {
    await open();
    door.onMessage = echo;
    const deep = '{"a":'.repeat(501);
    for (const [body, reason] of [
      ['x', 'a message begins with {'],
      ['{"ID":}', 'the body is not JSON'],
      ['{"ID":"one"}', 'LeaseKeepAliveRequest.ID: expected a whole number'],
      [deep, 'deeper than 500'],
      [`{"x":"${'y'.repeat(80_000)}`, 'larger than'],
    ] as const) {
      const { client, stream } = await conversation();
      client.send(chunk(`{"ID":1}${body}`));
      await client.closed();
      const [first, last] = chunksOf(client);
      expect(first).toBe(resultOf(1));
      expect(last).toContain('{"error":{"grpc_code":');
      expect(last).toContain(reason);
      expect(stream).toMatchObject({ messages: ['1'], isGone: true });
      expect(stream.call.signal.aborted).toBe(true);
      expect(stream.answer(2n)).toBe(false);
    }
    const cut = await connected();
    cut.send(whole(keepAlive, '{"ID":'));
    await cut.until(/400 Bad Request[\s\S]*the body ends within a message/);
  });

  it('tells its method when the client goes', async () => {
    await open();
    const { client, stream } = await conversation();
    client.send(chunk('{"ID":1}'));
    await eventually(() => expect(stream.messages).toEqual(['1']));
    client.close();
    await eventually(() => expect(stream.isGone).toBe(true));
    expect(stream.call.signal.aborted).toBe(true);
    expect(stream.answer(2n)).toBe(false);
    expect(door.faults).toEqual([]);
  });

  it('lets a call that waits with its client end with it', async () => {
    await open();
    const ends: unknown[] = [];
    door.onRange = ({ signal }) =>
      new Promise((_, reject) => {
        signal.addEventListener('abort', () => reject(ends.push(signal.reason)));
      });
    const client = await connected();
    client.send(whole('/fake/lock/lock', '{}'));
    await (await fetch(`http://127.0.0.1:${port}/ping`)).text();
    door.clock.advance(3_600_000);
    expect(ends).toEqual([]);
    client.socket.end();
    await eventually(() => expect(ends).toMatchObject([{ code: 'cancelled' }]));
  });

  it('says that there is no room while its reader is slow, and when there is', async () => {
    await open();
    const { client, stream } = await download();
    client.socket.pause();
    expect(fill(stream)).toBe(false); // What is sent in spite of it is kept.
    expect(stream.rooms).toBe(0);
    client.socket.resume();
    await eventually(() => expect(stream.rooms).toBeGreaterThan(0));
    stream.part(Buffer.from('last'));
    stream.call.end('ok');
    await client.until(/"blob":"bGFzdA=="\}\}\n\r\n0\r\n\r\n$/);
    expect(stream.part(Buffer.from('more'))).toBe(false);
  });

  it('is broken off where its reader takes nothing for a minute', async () => {
    await open();
    const { client, stream } = await download();
    client.socket.pause();
    fill(stream);
    door.clock.advance(59_999);
    expect(stream.isGone).toBe(false);
    door.clock.advance(1);
    await eventually(() => expect(stream.isGone).toBe(true));
    // Whoever read in time is left alone.
    const other = await download();
    fill(other.stream);
    await eventually(() => expect(other.stream.rooms).toBeGreaterThan(0));
    door.clock.advance(120_000);
    expect(other.stream.isGone).toBe(false);
  });

  it('reads nothing while its method wants nothing', async () => {
    await open();
    const { client, stream } = await conversation();
    stream.pauseAt = '2';
    client.send(chunk('{"ID":1}{"ID":2}{"ID":3}'));
    await eventually(() => expect(stream.messages).toEqual(['1', '2']));
    let sent = 3;
    for (const pad = 'x'.repeat(20_000); sent < 400; sent += 1) {
      client.send(chunk(`{"ID":${sent + 1},"pad":"${pad}"}`));
    }
    client.send(endOfBody);
    await (await fetch(`http://127.0.0.1:${port}/ping`)).text();
    expect(stream).toMatchObject({ messages: ['1', '2'], hasEnded: false });
    stream.call.resume();
    await eventually(() => expect(stream.hasEnded).toBe(true));
    expect(stream.messages.slice(0, 4)).toEqual(['1', '2', '3', '4']);
    expect(stream.messages.length).toBe(sent);
    const other = await conversation();
    other.stream.pauseAt = '1';
    other.client.send(chunk(`{"ID":1}${' '.repeat(5000)}x`));
    await eventually(() => expect(other.stream.messages).toEqual(['1']));
    await (await fetch(`http://127.0.0.1:${port}/ping`)).text();
    expect(other.stream.isGone).toBe(false);
    other.stream.call.resume();
    await eventually(() => expect(other.stream.isGone).toBe(true));
  });

  it('lets others have their turn beside thousands of messages in one piece', async () => {
    await open();
    let turns = 0;
    let most = 0;
    let inTurn = 0;
    const count = (): void => {
      turns += 1;
      inTurn = 0;
    };
    door.onMessage = () => {
      if (inTurn === 0) setImmediate(count);
      inTurn += 1;
      most = Math.max(most, inTurn);
    };
    const { client, stream } = await conversation();
    client.send(chunk('{}'.repeat(30_000)));
    client.send(chunk('{"ID":1}') + endOfBody);
    await eventually(() => expect(stream.hasEnded).toBe(true));
    expect(stream.messages.length).toBe(30_001);
    expect(stream.messages.at(-1)).toBe('1');
    expect(turns).toBeGreaterThan(10);
    expect(most).toBeLessThan(5000);
  });

  it('may be silent, and its body open, for longer than any other request', async () => {
    const limits = { requestTimeoutMs: 120, headersTimeoutMs: 100, stalledMs: 250 };
    await open({ limits, clock: new SystemClock() });
    door.onMessage = echo;
    const locks: ((value: Uint8Array) => void)[] = [];
    door.onRange = () => new Promise((resolve) => locks.push(resolve));
    const waiting = await connected();
    waiting.send(whole('/fake/lock/lock', '{}'));
    const { client } = await conversation();
    const [slow, quiet] = [await connected(), await connected()];
    slow.send('PUT /v1/kv/a HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\na');
    quiet.send('GET /v1/kv-watch?key=a HTTP/1.1\r\nHost: x\r\n\r\n');
    await Promise.all([slow.closed(), quiet.closed()]);
    // A call that waits with its client is one of these, too.
    locks.pop()?.(new Uint8Array(0));
    await waiting.until(/200 OK/);
    client.send(chunk('{"ID":1}'));
    await eventually(() => expect(chunksOf(client)).toEqual([resultOf(1)]));
    // Its connection alone, and only for as long: the next request on it is as any other.
    client.send(endOfBody);
    await eventually(() => expect(door.streams[0]?.hasEnded).toBe(true));
    door.streams[0]?.call.end('ok');
    await eventually(() => expect(chunksOf(client)).toEqual([resultOf(1), '']));
    client.send('PUT /v1/kv/a HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\na');
    await client.closed();
  });

  it('is waited for at its end no longer than any other answer', async () => {
    await open({ limits: { headersTimeoutMs: 100, stalledMs: 100 }, clock: new SystemClock() });
    let answers = 0;
    door.onRange = async () => {
      answers += 1;
      return Buffer.alloc(16 * 1024 * 1024);
    };
    const stuck = await connected();
    stuck.socket.pause();
    stuck.send(whole('/fake/lock/lock', '{}'));
    await eventually(() => expect(answers).toBe(1));
    // Node gives a socket that was written to in its time a second one.
    for (let times = 0; times < 3; times += 1) {
      const quiet = await connected();
      quiet.send('GET /v1/kv-watch?key=a HTTP/1.1\r\nHost: x\r\n\r\n');
      await quiet.closed();
    }
    stuck.socket.resume();
    await stuck.closed();
  });

  it('is not held open by a message that is begun and not finished', async () => {
    await open();
    const { client, stream } = await conversation();
    stream.pauseAt = '1';
    client.send(chunk('{"ID":1}{"ID":'));
    await eventually(() => expect(stream.messages).toEqual(['1']));
    // As long as it is the method that does not read, nobody else is to blame.
    door.clock.advance(70_000);
    stream.call.resume();
    client.send(chunk('2}'));
    await eventually(() => expect(stream.messages).toEqual(['1', '2']));
    door.clock.advance(70_000);
    client.send(chunk('{"I'));
    await eventually(() => {
      door.clock.advance(10_000);
      expect(stream.isGone).toBe(true);
    });
    await client.closed();
    expect(client.received).toMatch(/^HTTP\/1.1 504 Gateway Timeout\r\n/);
    expect(client.received).toContain('a message was begun and not finished in 30000 ms');
  });

  it('ends with its time, and with the member', async () => {
    await open();
    const { client, stream } = await conversation('Grpc-Timeout: 5S');
    stream.answer(1n);
    door.clock.advance(5000);
    await client.closed();
    expect(chunksOf(client)[1]).toContain('etcdserver: request timed out');
    const last = await conversation();
    last.stream.answer(1n);
    const closing = door.app.close();
    await last.client.closed();
    expect(chunksOf(last.client)[1]).toContain('"grpc_code":14');
    await closing;
  });

  it('takes one message where the method takes one, an empty body among them', async () => {
    await open();
    for (const [at, body] of ['', '{}', ' {"unknown":1} '].entries()) {
      const client = await connected();
      client.send(whole('/fake/maintenance/snapshot', body));
      await eventually(() => expect(door.streams[at]?.hasEnded).toBe(true));
      const stream = door.streams[at] as FakeStream;
      expect(stream.messages).toEqual(['{}']);
      stream.part(Buffer.from([1, 2, 3]));
      stream.part(Buffer.from([4]));
      stream.call.end('ok');
      const lines = ['AQID', 'BA=='].map((blob) => `{"result":{"blob":"${blob}"}}\n`);
      await eventually(() => expect(chunksOf(client)).toEqual([...lines, '']));
    }
    const client = await connected();
    client.send(whole('/fake/maintenance/snapshot', '{}{}'));
    await client.until(/400 Bad Request[\s\S]*the body has more than one message/);
    expect(door.streams.at(-1)).toMatchObject({ messages: [], isGone: true });
  });

  it('ends where an answer is too large to be text', async () => {
    await open({ answerBytesMax: 100 });
    const client = await connected();
    client.send(whole('/fake/maintenance/snapshot', ''));
    await eventually(() => expect(door.streams.at(-1)?.hasEnded).toBe(true));
    const stream = door.streams.at(-1) as FakeStream;
    expect(stream.part(Buffer.alloc(50))).toBe(true);
    expect(stream.part(Buffer.alloc(100))).toBe(false);
    expect(stream.isGone).toBe(true);
    await eventually(() => expect(chunksOf(client)[1]).toContain('larger than 100 bytes'));
  });
});
