// Goal: gRPC is served on the port of HTTP, and whoever speaks it badly, or goes away, harms nobody
// else. Method: the door on loopback over an engine in memory, and clients that do all of that.
import { once } from 'node:events';
import { constants } from 'node:http2';
import { connect } from 'node:net';
import { SystemClock } from '@holdfast/base/system-clock';
import { encode } from '@holdfast/proto/encode';
import { PutRequest, PutResponse, RangeRequest } from '@holdfast/proto/etcd';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import {
  eventually,
  listen,
  RawClient,
  type TestDoor,
  testDoor,
} from '../http/test-door.fixture.ts';
import { answerOf, frameMessage, GrpcClient } from './grpc-client.fixture.ts';

const path = '/etcdserverpb.KV/Put';
const putOf = (key: string, value = 'v') =>
  ({
    ...{ key: Buffer.from(key), value: Buffer.from(value), lease: 0n },
    ...{ prevKv: false, ignoreValue: false, ignoreLease: false },
  }) satisfies PutRequest;

let door: TestDoor;
let port: number;
let turnedAway: string[];
const clients: GrpcClient[] = [];

beforeEach(async () => {
  turnedAway = [];
  door = testDoor({
    clock: new SystemClock(),
    onTurnedAway: (_from, reason) => turnedAway.push(reason),
  });
  port = await listen(door.app);
});

afterEach(async () => {
  for (const client of clients.splice(0)) client.close();
  await door.app.close();
});

async function connected(): Promise<GrpcClient> {
  const client = await GrpcClient.connect(port);
  clients.push(client);
  return client;
}

const put = (client: GrpcClient, key: string) =>
  client.unary(path, [PutRequest, PutResponse], putOf(key));

describe('the door for gRPC', () => {
  it('serves beside HTTP/1.1, many calls at a time on a connection', async () => {
    const client = await connected();
    const answers = await Promise.all(
      Array.from({ length: 200 }, (_, at) => put(client, `k${at}`)),
    );
    expect(new Set(answers.map(({ header }) => header?.revision)).size).toBe(200);
    const http = await fetch(`http://127.0.0.1:${port}/v1/kv/k7`);
    expect(await http.text()).toBe('v');
  });

  it('refuses a name that is none, and lives', async () => {
    const client = await connected();
    const message = frameMessage(encode(PutRequest, putOf('a')));
    const ends = await Promise.all(
      ['', 'x'.repeat(200)].map((name) => client.say(path, message, { 'holdfast-actor': name })),
    );
    expect(ends.map(({ status }) => status)).toEqual([3, 3]);
    await put(client, 'b');
  });

  it('says what it does not know, and what it can not read', async () => {
    const client = await connected();
    const message = frameMessage(encode(PutRequest, putOf('a')));
    const ends = await Promise.all([
      client.say('/etcdserverpb.KV/Fly', message),
      client.say('/no.such.Service/Put', message),
      client.say(path, frameMessage(Buffer.from([0xff, 0xff, 0xff]))),
      client.say(path, message.subarray(0, -1)),
      client.say(path, new Uint8Array(0)),
      client.say(path, Buffer.concat([message, message])),
      client.say(path, Buffer.from([1, 0, 0, 0, 0])),
      client.say(path, Buffer.from([0, 0xff, 0xff, 0xff, 0xff])),
      client.say(path, message, { 'grpc-timeout': 'soon' }),
    ]);
    expect(ends.map(({ status, httpStatus }) => [status, httpStatus])).toEqual([
      [12, 200],
      [12, 200],
      [13, 200],
      [13, 200],
      [13, 200],
      [12, 200],
      [12, 200],
      [8, 200],
      [13, 200],
    ]);
    await put(client, 'still');
  });

  it('is no HTTP server for others', async () => {
    const client = await connected();
    const json = client.begin(path, { 'content-type': 'application/json' });
    json.end('{}');
    const get = client.session.request({ ':method': 'GET', ':path': '/v1/kv/a' });
    get.on('error', () => undefined); // Its end is what counts.
    get.end();
    expect((await answerOf(json)).httpStatus).toBe(415);
    expect((await answerOf(get)).httpStatus).toBe(405);
    await put(client, 'still');
  });

  it('ends a call with its time', async () => {
    const client = await connected();
    const pausing = door.engine.put.bind(door.engine);
    door.engine.put = (_request, { signal }) =>
      new Promise((_, reject) => {
        signal?.addEventListener('abort', () => reject(signal.reason as Error));
      });
    const message = frameMessage(encode(PutRequest, putOf('a')));
    const { status, message: text } = await client.say(path, message, { 'grpc-timeout': '20m' });
    expect([status, text]).toEqual([14, 'etcdserver: request timed out']);
    door.engine.put = pausing;
    await put(client, 'still');
  });

  it('does not mind a client that goes before its answer, or in the middle of it all', async () => {
    const message = frameMessage(encode(PutRequest, putOf('a')));
    const other = await connected();
    for (const part of [message, message.subarray(0, 9)]) {
      const socket = connect(port, '127.0.0.1');
      const client = await GrpcClient.connect(port, socket);
      for (let calls = 0; calls < 50; calls += 1) {
        const stream = client.begin(path);
        if (part === message) stream.end(part);
        else stream.write(part);
      }
      await put(client, 'in between');
      socket.resetAndDestroy();
    }
    await put(other, 'still');
    expect(door.faults).toEqual([]);
  });

  it('does not mind calls that are given up', async () => {
    const client = await connected();
    const message = frameMessage(encode(PutRequest, putOf('a')));
    const streams = Array.from({ length: 50 }, () => client.begin(path));
    for (const [at, stream] of streams.entries()) {
      stream.write(at % 2 === 0 ? message : message.subarray(0, 9));
      await new Promise((resolve) => setImmediate(resolve));
      stream.close(constants.NGHTTP2_CANCEL);
    }
    for (const stream of streams) if (!stream.closed) await once(stream, 'close');
    await put(client, 'still');
    expect(door.faults).toEqual([]);
  });

  it('turns broken HTTP/2 away, and nobody else', async () => {
    const other = await connected();
    const preface = 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n';
    for (const text of ['PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n', `${preface}${'\xff'.repeat(64)}`]) {
      const client = await RawClient.connect(port);
      client.send(text);
      await client.closed();
    }
    await put(other, 'still');
    await eventually(() => expect(turnedAway.length).toBeGreaterThan(0));
  });

  it('lets the member close, with calls under way and connections that idle', async () => {
    const client = await connected();
    const idle = await connected();
    client.begin(path).write(Buffer.from([0]));
    await put(idle, 'a');
    const closed = once(idle.session, 'close');
    await door.app.close();
    await closed;
  });

  it('takes reads while a bad one fails', async () => {
    const client = await connected();
    const nothing = frameMessage(encode(RangeRequest, RangeRequest.decode(new Uint8Array(0))));
    const { status, message } = await client.say('/etcdserverpb.KV/Range', nothing);
    expect([status, message]).toEqual([3, 'etcdserver: key is not provided']);
  });
});
