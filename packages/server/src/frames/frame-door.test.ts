// Goal: clients that speak frames are served on the port of HTTP, many requests at a time, and
// whoever speaks badly, or does not listen, harms nobody else. Method: the door on loopback over an
// engine in memory, and a client that says what it is told to.
import { once } from 'node:events';
import { connect } from 'node:net';
import { utf8 } from '@holdfast/base/bytes';
import { RecentCounts } from '@holdfast/base/recent-counts';
import { SystemClock } from '@holdfast/base/system-clock';
import type { Response } from '@holdfast/proto/client';
import { clientDialect, encodeFrame, encodePreface, frameKinds } from '@holdfast/transport/frame';
import { SocketLink, TcpNetwork } from '@holdfast/transport/tcp-link';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { listen, RawClient, type TestDoor, testDoor } from '../http/test-door.fixture.ts';
import { FrameClient, get, put, remove, requestOf } from './frame-client.fixture.ts';

let door: TestDoor;
let port: number;
let turnedAway: string[];
let failures: RecentCounts;
const clients: FrameClient[] = [];

beforeEach(async () => {
  turnedAway = [];
  const clock = new SystemClock();
  failures = new RecentCounts(clock, 60_000);
  door = testDoor({
    ...{ clock, failures },
    onTurnedAway: (_from, reason) => turnedAway.push(reason),
  });
  port = await listen(door.app);
});

afterEach(async () => {
  for (const client of clients.splice(0)) client.link.destroy();
  await door.app.close();
});

async function greeted(): Promise<FrameClient> {
  const client = await FrameClient.greeted(port);
  clients.push(client);
  return client;
}

/** With the socket below, to do to it what no client does. */
async function onSocket() {
  const socket = connect(port, '127.0.0.1');
  await once(socket, 'connect');
  const network = Object.assign(new TcpNetwork(), { dial: async () => new SocketLink(socket) });
  const client = await FrameClient.greeted(port, network);
  clients.push(client);
  return { client, socket };
}

const kvs = ({ response }: Response) =>
  response?.$case === 'range'
    ? response.value.kvs.map(({ key, value }) =>
        [key, value].map((one) => Buffer.from(one).toString()),
      )
    : response;

const failureIn = ({ response }: Response) =>
  response?.$case === 'failure' ? response.value : undefined;

describe('a client that speaks frames', () => {
  it('is served beside those that speak HTTP', async () => {
    const client = await greeted();
    client.send(requestOf(1, put('a', 'one')));
    const { revision, response } = await client.answerTo(1);
    expect([revision, response?.$case]).toEqual([2, 'put']);
    const http = await fetch(`http://127.0.0.1:${port}/v1/kv/a`);
    expect([await http.text(), http.headers.get('etag')]).toEqual(['one', '"2"']);
    client.send(requestOf(2, get('a')));
    expect(kvs(await client.answerTo(2))).toEqual([['a', 'one']]);
    client.send(requestOf(3, remove('a')));
    const deletion = await client.answerTo(3);
    expect(deletion.response).toMatchObject({ $case: 'deleteRange', value: { deleted: 1 } });
    client.send(requestOf(4, get('a')));
    expect(await client.answerTo(4)).toMatchObject({ revision: 3, ageMsPlusOne: 1 });
  });

  it('may be killed, and is not called turned away for that', async () => {
    const { client, socket } = await onSocket();
    client.send(requestOf(1, put('a', 'x')));
    await client.answerTo(1);
    socket.resetAndDestroy();
    const other = await greeted();
    other.send(requestOf(1, get('a')));
    await other.answerTo(1);
    expect(turnedAway).toEqual([]);
  });

  it('has many requests under way, and gets the answers of a turn in one frame', async () => {
    const client = await greeted();
    const writes = Array.from({ length: 500 }, (_, at) => requestOf(at + 1, put(`k${at}`, 'v')));
    client.send(...writes);
    await client.until(() => client.responses.size === 500);
    const revisions = new Set([...client.responses.values()].map((one) => one.revision));
    expect(revisions.size).toBe(500);
    expect(client.frames.length).toBeLessThan(50);
  });

  it('takes transactions, and lists up to a bound', async () => {
    const client = await greeted();
    for (let at = 0; at < 3; at += 1) {
      const success = Array.from({ length: 100 }, (_, n) => ({
        request: put(`l${at}-${n}`, 'v') as never,
      }));
      const value = { compare: [], success, failure: [] };
      client.send(requestOf(at + 1, { $case: 'txn', value }));
      expect((await client.answerTo(at + 1)).response).toMatchObject({
        $case: 'txn',
        value: { succeeded: true },
      });
    }
    client.send(requestOf(9, get('l', 'm')));
    const { response } = await client.answerTo(9);
    expect(response).toMatchObject({ $case: 'range', value: { more: false, count: 300 } });
  });

  it('is told what is wrong with a request, and goes on', async () => {
    const client = await greeted();
    const foreign = put('a', 'x');
    if (foreign?.$case === 'put') foreign.value.keyspace = 2;
    const cases = [
      [requestOf(1, undefined), 'invalid-argument', /does not know/],
      [requestOf(2, put('', 'x')), 'invalid-argument', /key/],
      [requestOf(3, foreign), 'invalid-argument', /keyspace 2 is not for clients/],
      [requestOf(4, put('big', new Uint8Array(2_000_000))), 'too-large', /2000000 bytes/],
      [requestOf(5, get('a'), { level: 7 as never }), 'invalid-argument', /level of reading/],
      [
        requestOf(6, put('a', 'x'), { session: { id: 7n, sequence: 1n, lowestPending: 1n } }),
        'session-expired',
        /session/,
      ],
    ] as const;
    for (const [request, code, words] of cases) {
      client.send(request);
      const failure = failureIn(await client.answerTo(request.id));
      expect([failure?.code, failure?.outcome]).toEqual([code, 'not-applied']);
      expect(failure?.message).toMatch(words);
    }
    client.send(requestOf(7, put('a', 'x')));
    expect((await client.answerTo(7)).response?.$case).toBe('put');
  });

  it('may not have more under way than it was told', async () => {
    const client = await FrameClient.connect(port);
    clients.push(client);
    const { inFlightMax } = await client.greet();
    const { range } = door.engine;
    let resolve = (): void => undefined;
    const goOn = new Promise<void>((go) => {
      resolve = go;
    });
    door.engine.range = (...call) => goOn.then(() => range.apply(door.engine, call));
    const many = Array.from({ length: inFlightMax + 10 }, (_, at) => requestOf(at + 1, get('a')));
    client.send(...many);
    await client.until(() => client.responses.size === 10);
    resolve();
    await client.until(() => client.responses.size === many.length);
    const failures = [...client.responses.values()].flatMap((one) => failureIn(one) ?? []);
    expect(failures.map(({ code }) => code)).toEqual(Array(10).fill('resource-exhausted'));
  });

  it('is told that its member is ending, and keeps nobody from it', async () => {
    const client = await greeted();
    door.slot.close();
    client.send(requestOf(1, put('a', 'x')));
    expect(failureIn(await client.answerTo(1))?.code).toBe('shutting-down');
    await door.app.close();
    expect((await client.ended()).type).toBe('ended');
  });
});

describe('who speaks badly', () => {
  it('is told why at the hello', async () => {
    const other = await FrameClient.connect(port);
    expect((await other.greet('tester', 9)).refusal).toMatchObject({ code: 'version-mismatch' });
    const nameless = await FrameClient.connect(port);
    const refused = await nameless.greet('line\nbreak');
    expect(refused.refusal?.message).toContain('visible characters');
    for (const client of [other, nameless]) expect((await client.ended()).type).toBe('ended');
    expect(turnedAway.length).toBe(2);
  });

  it.each([
    ['a request before the hello', frameKinds.clientRequests, utf8('x'), /no hello/],
    ['a hello that does not decode', frameKinds.clientHello, Uint8Array.of(0x0a, 9), /does not/],
  ])('with %s, is let go', async (_what, kind, payload, words) => {
    const client = await FrameClient.connect(port);
    client.link.send(kind, payload);
    expect((await client.ended()).type).toBe('ended');
    expect(turnedAway.join()).toMatch(words);
  });

  it.each([
    ['of another kind', frameKinds.message, utf8('x')],
    ['that does not decode', frameKinds.clientRequests, Uint8Array.of(0x0a, 0xff, 0xff, 0x7f)],
  ])('with a frame %s, is let go, and the others are served', async (_what, kind, payload) => {
    const [bad, good] = [await greeted(), await greeted()];
    bad.link.send(kind, payload);
    expect((await bad.ended()).type).toBe('ended');
    good.send(requestOf(1, put('a', 'x')));
    expect((await good.answerTo(1)).response?.$case).toBe('put');
    expect(door.faults).toEqual([]);
  });

  it('with a frame of a million requests, is let go before any is read', async () => {
    const [bad, good] = [await greeted(), await greeted()];
    const payload = repeated(500_000, 0x0a, 2, 8, 1);
    bad.link.send(frameKinds.clientRequests, payload);
    expect((await bad.ended()).type).toBe('ended');
    expect(turnedAway.join()).toMatch(/more than 16384 requests in one frame/);
    expect(failures.counts().size).toBe(0);
    good.send(requestOf(1, put('a', 'x')));
    expect((await good.answerTo(1)).response?.$case).toBe('put');
  });

  it.each([
    ['a transaction of empty operations', 11, [0x12, 0]],
    ['a transaction of operations that are there', 11, [0x12, 4, 0x1a, 2, 8, 0]],
    ['a range', 8, [8, 0]],
    ['a put', 9, [8, 0]],
    ['a deletion', 10, [8, 0]],
    ['a compaction', 12, [8, 0]],
    ['a place in a session', 3, [8, 0]],
  ])('with a million fields in %s, is let go before any is read', async (_what, field, bytes) => {
    const [bad, good] = [await greeted(), await greeted()];
    const parts = repeated(Math.floor(2_000_000 / bytes.length), ...bytes);
    bad.link.send(frameKinds.clientRequests, requestWith(field, parts));
    expect((await bad.ended()).type).toBe('ended');
    expect(turnedAway.join()).toMatch(/more than 65536 fields in one frame/);
    expect(failures.counts().size).toBe(0);
    good.send(requestOf(1, put('a', 'x')));
    expect((await good.answerTo(1)).response?.$case).toBe('put');
  });

  it('with a frame longer than any request, is let go, and a value at the limit is taken', async () => {
    const [bad, good] = [await greeted(), await greeted()];
    const value = new Uint8Array(1024 * 1024);
    good.send(requestOf(1, put('a', value)), requestOf(2, put('b', value)));
    expect((await good.answerTo(2)).response?.$case).toBe('put');
    bad.send(...[1, 2, 3].map((id) => requestOf(id, put(`${id}`, value))));
    await bad.ended();
    expect(turnedAway.join()).toMatch(/announces 31\d+ bytes, the limit is 2621440/);
  });

  it('with a broken checksum, or more bytes than a stranger may send, is let go', async () => {
    const hello = encodeFrame({ kind: 64, flags: 0, group: 0, payload: new Uint8Array(5000) });
    const flipped = encodeFrame({ kind: 64, flags: 0, group: 0, payload: new Uint8Array(8) });
    flipped[14] = 1;
    const preface = encodePreface(clientDialect);
    for (const bytes of [hello, flipped]) {
      const raw = await RawClient.connect(port);
      raw.socket.write(Buffer.concat([preface, bytes]));
      await raw.closed();
    }
    expect(turnedAway.join()).toMatch(/the limit is 4096.*checksum/);
  });

  it('byte by byte, is understood all the same, and HTTP that begins alike is HTTP', async () => {
    const raw = await RawClient.connect(port);
    for (const one of 'HEAD /livez HTTP/1.1\r\nHost: a\r\n\r\n') {
      raw.send(one);
      await new Promise((resolve) => setImmediate(resolve));
    }
    await raw.until(/HTTP\/1\.1 200/);
    raw.close();
  });

  it('by nesting without an end, is let go or refused, and the others are served', async () => {
    const [bad, good] = [await greeted(), await greeted()];
    bad.link.send(frameKinds.clientRequests, nested(9));
    expect(failureIn(await bad.answerTo(1))?.code).toBe('too-large');
    bad.link.send(frameKinds.clientRequests, nested(200_000));
    expect((await bad.ended()).type).toBe('ended');
    good.send(requestOf(1, put('a', 'x')));
    expect((await good.answerTo(1)).response?.$case).toBe('put');
    expect(door.faults).toEqual([]);
  });

  it('by not reading its answers, gets no more of them', async () => {
    const client = await greeted();
    const value = new Uint8Array(900_000).fill(97);
    for (let at = 0; at < 12; at += 1) client.send(requestOf(at + 1, put(`v${at}`, value)));
    await client.until(() => client.responses.size === 12);
    const { client: deaf, socket } = await onSocket();
    socket.pause();
    const before = process.memoryUsage().rss;
    const isRefused = (): boolean => failures.counts().has('resource-exhausted');
    for (let at = 1; !isRefused() && at < 200; at += 1) {
      deaf.send(requestOf(at, get('v', 'w')));
      client.send(requestOf(1000 + at, put('beside', 'x')));
      expect((await client.answerTo(1000 + at)).response?.$case).toBe('put');
    }
    expect(isRefused()).toBe(true);
    expect(process.memoryUsage().rss - before).toBeLessThan(200_000_000);
    socket.resume();
    deaf.send(requestOf(500, get('a')));
    expect((await deaf.answerTo(500)).response?.$case).toMatch(/range|failure/);
  });
});

const varint = (value: number): readonly number[] =>
  value < 0x80 ? [value] : [(value & 0x7f) | 0x80, ...varint(value >>> 7)];

const repeated = (count: number, ...bytes: readonly number[]): Uint8Array => {
  const all = new Uint8Array(count * bytes.length);
  for (let at = 0; at < all.length; at += bytes.length) all.set(bytes, at);
  return all;
};

/** A frame of one request that has one field. */
function requestWith(field: number, value: Uint8Array): Uint8Array {
  const inner = [Uint8Array.from([(field << 3) | 2, ...varint(value.length)]), value];
  const length = inner.reduce((sum, part) => sum + part.length, 0);
  return Buffer.concat([Uint8Array.from([0x0a, ...varint(length)]), ...inner]);
}

/** A transaction in a transaction, and so on, as request 1. */
function nested(depth: number): Uint8Array {
  const heads: Uint8Array[] = [];
  let length = 0;
  const wrap = (field: number): void => {
    const head = Uint8Array.from([(field << 3) | 2, ...varint(length)]);
    heads.push(head);
    length += head.length;
  };
  for (let at = 0; at < depth; at += 1) {
    wrap(4); // RequestOp.txn
    wrap(2); // TxnRequest.success
  }
  wrap(11); // Request.txn
  heads.push(Uint8Array.of(8, 1)); // Request.id
  length += 2;
  wrap(1); // Requests.requests
  return Buffer.concat(heads.reverse());
}
