// Goal: the generator of calls says what any client of gRPC says, reads how each call ended, and
// counts nothing that did not go well. Method: node:http2 as its server over loopback, and frames
// by hand where a server does not do what is wanted.
import { once } from 'node:events';
import { createServer, type Http2Server, type ServerHttp2Stream } from 'node:http2';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { PutRequest, RangeRequest } from '@holdfast/proto/etcd';
import { frameOf, frameTypes, numberFrame, settingsFrame } from '@holdfast/server/http2/frame';
import { FrameReader } from '@holdfast/server/http2/frame-reader';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { GrpcWire } from './grpc-wire.ts';
import type { LoadKind } from './load-plan.ts';

type Seen = { readonly path: string; readonly authority: string; readonly message: Buffer };
type Answer = (stream: ServerHttp2Stream, number: number) => void;

const windowUpdateFrame = (stream: number, increment: number): Buffer =>
  numberFrame(frameTypes.windowUpdate, stream, increment);

let server: Http2Server;
let socket: Socket | undefined;
let seen: Seen[];
let answer: Answer;

beforeEach(async () => {
  seen = [];
  server = createServer();
  server.on('stream', (stream, headers) => {
    const parts: Buffer[] = [];
    stream.on('error', () => undefined); // A client that goes is no error here.
    stream.on('data', (part: Buffer) => parts.push(part));
    stream.on('end', () => {
      const message = Buffer.concat(parts).subarray(5);
      const [path, authority] = [headers[':path'] ?? '', headers[':authority'] ?? ''];
      seen.push({ path, authority, message });
      answer(stream, seen.length - 1);
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
});

afterEach(() => {
  socket?.destroy();
  server.close();
});

/** A body of so many bytes, and the trailers behind it. */
function respond(stream: ServerHttp2Stream, bytes: number, trailers: Record<string, string>): void {
  stream.respond({ 'content-type': 'application/grpc' }, { waitForTrailers: true });
  stream.once('wantTrailers', () => stream.sendTrailers(trailers));
  stream.end(Buffer.alloc(bytes));
}

const well: Answer = (stream) => respond(stream, 5, { 'grpc-status': '0' });

/** Answers as `number: status`, in the order in which they came. */
async function ask(kind: LoadKind, count: number): Promise<readonly string[]> {
  const { port } = server.address() as AddressInfo;
  const open = connect({ host: '127.0.0.1', port });
  socket = open;
  const answers: string[] = [];
  await new Promise<void>((resolve, reject) => {
    const wire = new GrpcWire({
      plan: { kind, by: 'grpc', keys: 1000, valueBytes: 256 },
      ...{ endpoint: `127.0.0.1:${port}`, firstKey: 7, ringSize: 4096 },
      reply: (bytes) => void open.write(bytes),
      onAnswer: (number, status) => {
        answers.push(`${number}: ${status}`);
        if (answers.length === count) resolve();
      },
    });
    open.on('error', reject);
    open.on('data', (part: Buffer) => {
      try {
        // In small parts, as a slow network would give them.
        for (let at = 0; at < part.length; at += 7) wire.push(part.subarray(at, at + 7));
      } catch (error) {
        reject(error);
      }
    });
    open.write(wire.opening);
    open.write(wire.take(count));
  });
  return answers;
}

describe('a wire of gRPC', () => {
  it('puts keys in turn, each on a stream of its own', async () => {
    answer = well;
    expect(await ask('put', 3)).toEqual(['0: 200', '1: 200', '2: 200']);
    const puts = seen.map(({ message }) => PutRequest.decode(message));
    expect(puts.map(({ key }) => Buffer.from(key).toString())).toEqual([
      'bench-00000007',
      'bench-00000008',
      'bench-00000009',
    ]);
    expect(puts.map(({ value }) => value.length)).toEqual([256, 256, 256]);
    expect(new Set(seen.map(({ path }) => path))).toEqual(new Set(['/etcdserverpb.KV/Put']));
    expect(seen[2]?.authority).toBe(`127.0.0.1:${(server.address() as AddressInfo).port}`);
  });

  it('reads with and without a word from the leader', async () => {
    answer = (stream) => respond(stream, 5 + 256, { 'grpc-status': '0' });
    await ask('get-linearizable', 1);
    await ask('get-stale', 1);
    expect(seen.map(({ message }) => RangeRequest.decode(message).serializable)).toEqual([
      false,
      true,
    ]);
  });

  it('tells of calls that failed, in trailers or without any answer', async () => {
    const message = ` !"#$%&'()*+,-./:;<=>?@[]^_{|}~ etcdserver: request timed out`;
    answer = (stream, number) => {
      if (number === 0) respond(stream, 5, { 'grpc-status': '14', 'grpc-message': message });
      if (number === 1) stream.respond({ 'grpc-status': '8' }, { endStream: true });
      if (number === 2) stream.close(2);
      if (number === 3) well(stream, number);
    };
    const answers = await ask('put', 4);
    expect([...answers].sort()).toEqual(['0: 914', '1: 908', '2: 602', '3: 200']);
  });

  it('takes no read for good that brought no value', async () => {
    answer = (stream, number) => respond(stream, number === 0 ? 40 : 300, { 'grpc-status': '0' });
    expect(await ask('get-stale', 2)).toEqual(['0: 404', '1: 200']);
  });

  it('sends no more than its peer has room for, and the rest when there is', async () => {
    answer = well;
    const count = 1000;
    expect(count * 256).toBeGreaterThan(65_535);
    expect(new Set(await ask('put', count)).size).toBe(count);
    const keys = seen.map(({ message }) => Buffer.from(PutRequest.decode(message).key).toString());
    expect(new Set(keys).size).toBe(count);
  });
});

/** A wire without a connection, and what it replies. */
function loneWire() {
  const replies: Buffer[] = [];
  const wire = new GrpcWire({
    plan: { kind: 'put', by: 'grpc', keys: 10, valueBytes: 256 },
    ...{ endpoint: 'h:1', firstKey: 0, ringSize: 16 },
    reply: (bytes) => void replies.push(bytes),
    onAnswer: () => undefined,
  });
  return { wire, replies };
}

/** What it replied to such frames. */
function heard(...frames: readonly Buffer[]): Buffer {
  const { wire, replies } = loneWire();
  for (const frame of frames) wire.push(frame);
  return Buffer.concat(replies);
}

/** Bytes of the frames of data. */
function dataBytes(bytes: Buffer): number {
  const reader = new FrameReader();
  reader.push(bytes);
  let sum = 0;
  while (reader.next()) if (reader.type === 0) sum += reader.hi - reader.lo;
  return sum;
}

it('sends as much as its peer has room for, and not a call more', () => {
  const { wire, replies } = loneWire();
  const call = dataBytes(wire.take(1));
  const room = Math.floor(65_535 / call) - 1;
  expect(dataBytes(wire.take(200))).toBe(200 * call);
  expect(dataBytes(wire.take(200))).toBe((room - 200) * call);
  expect(dataBytes(wire.take(1))).toBe(0);
  wire.push(windowUpdateFrame(3, 100_000));
  expect(dataBytes(Buffer.concat(replies))).toBe(0);
  wire.push(windowUpdateFrame(0, call));
  expect(dataBytes(Buffer.concat(replies))).toBe(call);
  wire.push(windowUpdateFrame(0, 200 * call));
  expect(dataBytes(Buffer.concat(replies))).toBe((401 - room) * call);
});

describe('what a peer says beside the answers', () => {
  it('is acknowledged: settings, and pings with their own bytes', () => {
    const ping = frameOf({ type: 6, flags: 0, stream: 0 }, Buffer.from('12345678'));
    const acks = heard(settingsFrame([[4, 70_000]]), ping);
    expect(acks).toEqual(
      Buffer.concat([
        frameOf({ type: 4, flags: 1, stream: 0 }, Buffer.alloc(0)),
        frameOf({ type: 6, flags: 1, stream: 0 }, Buffer.from('12345678')),
      ]),
    );
    expect(heard(frameOf({ type: 6, flags: 1, stream: 0 }, Buffer.alloc(8)))).toEqual(
      Buffer.alloc(0),
    );
  });

  it('ends the connection where it is sent away, or not understood', () => {
    const away = Buffer.from('000000000000000bslow down', 'latin1');
    away.writeUInt32BE(11, 4);
    expect(() => heard(frameOf({ type: 7, flags: 0, stream: 0 }, away))).toThrow('code 11');
    expect(() => heard(frameOf({ type: 9, flags: 4, stream: 1 }, Buffer.alloc(1)))).toThrow();
    expect(() => heard(settingsFrame([[1, 0]]))).toThrow('keeps headers in 0 bytes');
    const end = frameOf({ type: 1, flags: 5, stream: 1 }, Buffer.from([0x88]));
    expect(() => heard(end)).toThrow('without a status');
  });
});

it('reads frames with padding and priority, in parts of any size', () => {
  const padded = Buffer.concat([Buffer.from([2]), Buffer.from('abc'), Buffer.alloc(2)]);
  const weighed = Buffer.concat([Buffer.from([1]), Buffer.alloc(5), Buffer.from([0x88, 0])]);
  const all = Buffer.concat([
    frameOf({ type: 0, flags: 8, stream: 3 }, padded),
    windowUpdateFrame(0, 5),
    frameOf({ type: 1, flags: 0x2c, stream: 5 }, weighed),
  ]);
  for (const size of [1, 2, 10, all.length]) {
    const reader = new FrameReader();
    const read: unknown[] = [];
    for (let at = 0; at < all.length; at += size) {
      reader.push(all.subarray(at, at + size));
      while (reader.next()) {
        const { type, stream, bytes, lo, hi } = reader;
        read.push([type, stream, bytes.toString('hex', lo, hi)]);
      }
    }
    expect(read).toEqual([
      [0, 3, '616263'],
      [8, 0, '00000005'],
      [1, 5, '88'],
    ]);
  }
  const reader = new FrameReader();
  reader.push(frameOf({ type: 0, flags: 8, stream: 3 }, Buffer.from([9, 0])));
  expect(() => reader.next()).toThrow('padding');
});
