// Goal: a connection says what is wrong to whom it is about, and is bounded in what it does for
// nobody. Method: a server on loopback and a client that speaks frame by frame; for bytes at
// random, a connection without a socket.
import type { Socket } from 'node:net';
import { Duplex } from 'node:stream';
import { SeededRandom } from '@holdfast/base/seeded-random';
import { describe, expect, it } from 'vitest';

import {
  callFrames,
  frame,
  frameTypes,
  grpcHeaders,
  headerBlock,
  pingFrame,
  preface,
  resetFrame,
  settingsFrame,
  windowFrame,
} from '../grpc/raw-http2.fixture.ts';
import { eventually } from '../http/test-door.fixture.ts';
import {
  ask,
  connectionOptions,
  echoing,
  goAway,
  Heard,
  path,
  resetsOf,
  Served,
  settled,
} from './served.fixture.ts';
import { ServerConnection } from './server-connection.ts';

const nothing = new Uint8Array(0);

describe('a stream that is wrong is ended alone', () => {
  const headers = (stream: number, fields: readonly (readonly [string, string])[], set = 4) =>
    frame({ type: 1, flags: set, stream, payload: headerBlock(fields) });
  const good = grpcHeaders(path);

  it.each([
    ['has no path', 1, headers(1, good.slice(0, 2))],
    ['names a connection', 1, headers(1, [...good, ['connection', 'close']])],
    ['is larger than may be', 11, headers(1, [...good, ['a', 'x'.repeat(16_200)]])],
    ['ends twice', 5, Buffer.concat([ask(1), frame({ type: 0, stream: 1 })])],
    ['has trailers behind its end', 5, Buffer.concat([ask(1), headers(1, [['a', 'b']], 5)])],
    ['has trailers that do not end it', 1, Buffer.concat([callFrames(1, path), headers(1, good)])],
    [
      'has trailers that name a method',
      1,
      Buffer.concat([callFrames(1, path), headers(1, good, 5)]),
    ],
    ['is shorter than it says', 1, headers(1, [...good, ['content-length', '1']], 5)],
    ['says no length', 1, headers(1, [...good, ['content-length', 'x']], 5)],
    [
      'has trailers, though it was over',
      5,
      Buffer.concat([headers(1, good), resetFrame(1), headers(1, [['a', 'b']], 5)]),
    ],
  ])('that %s', async (_what, code, bytes) => {
    await using served = await Served.open();
    const raw = await served.client();
    raw.send(bytes);
    await settled(raw);
    expect(resetsOf(raw)).toEqual([[1, code]]);
    raw.send(ask(5));
    await settled(raw);
    expect(served.heard.at(-1)?.events).toEqual(['end']);
  });

  it('that is one too many, until another one is over', async () => {
    await using served = await Served.open({ streamsMax: 2 });
    const raw = await served.client();
    raw.send(callFrames(1, path), callFrames(3, path), callFrames(5, path));
    await settled(raw);
    expect(resetsOf(raw)).toEqual([[5, 7]]);
    raw.send(resetFrame(1), callFrames(7, path), callFrames(9, path));
    await settled(raw);
    expect(resetsOf(raw)).toEqual([
      [5, 7],
      [9, 7],
    ]);
  });
});

describe('a connection that is wrong is told so, and ended', () => {
  const many = (bytes: Uint8Array, times: number): Buffer =>
    Buffer.concat(Array(times).fill(bytes) as Uint8Array[]);

  it.each([
    ['data on no stream', 1, frame({ type: 0, payload: nothing })],
    ['data on a stream that was not begun', 1, frame({ type: 0, stream: 1 })],
    ['headers on an even stream', 1, frame({ type: 1, flags: 4, stream: 2, payload: nothing })],
    [
      'headers that do not decode',
      9,
      frame({ type: 1, flags: 4, stream: 1, payload: Buffer.of(0xff) }),
    ],
    [
      'headers that another frame cuts',
      1,
      Buffer.concat([frame({ type: 1, stream: 1 }), pingFrame()]),
    ],
    [
      'headers that another stream ends',
      1,
      Buffer.concat([frame({ type: 1, stream: 1 }), frame({ type: 9, flags: 4, stream: 3 })]),
    ],
    ['headers that go on and never began', 1, frame({ type: 9, flags: 4, stream: 1 })],
    [
      'headers in frames without an end',
      11,
      Buffer.concat([frame({ type: 1, stream: 1 }), many(frame({ type: 9, stream: 1 }), 20)]),
    ],
    [
      'headers in more bytes than may be',
      11,
      Buffer.concat([
        frame({ type: 1, stream: 1 }),
        many(frame({ type: 9, stream: 1, payload: Buffer.alloc(16_000) }), 3),
      ]),
    ],
    ['a call on a stream that was over', 1, Buffer.concat([ask(1), resetFrame(1), ask(1)])],
    ['a call on a stream below one that was begun', 1, Buffer.concat([ask(3), ask(1)])],
    [
      'trailers of streams that are over, without an end',
      11,
      Buffer.concat([
        callFrames(1, path),
        resetFrame(1),
        many(frame({ type: 1, flags: 5, stream: 1, payload: headerBlock([['a', 'b']]) }), 1500),
      ]),
    ],
    ['a reset of no stream', 1, resetFrame(0)],
    ['a reset of a stream that was not begun', 1, resetFrame(1)],
    ['a reset of the wrong length', 6, frame({ type: 3, stream: 1, payload: Buffer.alloc(5) })],
    ['room for a stream that was not begun', 1, windowFrame(1, 1)],
    ['room of the wrong length', 6, frame({ type: 8, stream: 0, payload: Buffer.alloc(3) })],
    ['a ping of the wrong length', 6, frame({ type: 6, payload: Buffer.alloc(7) })],
    ['a ping on a stream', 1, frame({ type: 6, stream: 1, payload: Buffer.alloc(8) })],
    ['settings of the wrong length', 6, frame({ type: 4, payload: Buffer.alloc(5) })],
    ['settings on a stream', 1, frame({ type: 4, stream: 1 })],
    [
      'an acknowledgement with something in it',
      6,
      frame({ type: 4, flags: 1, payload: Buffer.alloc(6) }),
    ],
    ['frames that are too small', 1, settingsFrame([[5, 16_383]])],
    ['frames that are too large', 1, settingsFrame([[5, 2 ** 24]])],
    ['a push that is neither allowed nor not', 1, settingsFrame([[2, 2]])],
    ['a priority of the wrong length', 6, frame({ type: 2, stream: 1, payload: Buffer.alloc(4) })],
    ['a push', 1, frame({ type: 5, stream: 1, payload: Buffer.alloc(4) })],
    ['a frame longer than may be', 6, frame({ type: 0x20, payload: Buffer.alloc(16_385) })],
    ['pings without an end', 11, many(pingFrame(), 3000)],
    ['settings without an end', 11, many(settingsFrame(), 300)],
    ['acknowledgements without an end', 11, many(frame({ type: 4, flags: 1 }), 3000)],
    [
      'priorities without an end',
      11,
      many(frame({ type: 2, stream: 1, payload: Buffer.alloc(5) }), 3000),
    ],
    ['frames of no kind without an end', 11, many(frame({ type: 0x20 }), 3000)],
    ['room without an end', 11, many(windowFrame(0, 1), 3000)],
    [
      'data of no byte without an end',
      11,
      Buffer.concat([callFrames(1, path), many(frame({ type: 0, stream: 1 }), 3000)]),
    ],
    [
      'data of no stream without an end',
      11,
      Buffer.concat([
        callFrames(1, path),
        resetFrame(1),
        many(frame({ type: 0, stream: 1 }), 3000),
      ]),
    ],
  ])('for %s', async (_what, code, bytes) => {
    await using served = await Served.open();
    const raw = await served.client();
    raw.send(bytes);
    expect((await goAway(raw))?.code).toBe(code);
    expect(served.over).toEqual([expect.any(String)]);
    await raw.closed();
  });

  it.each([
    ['gives up', (stream: number) => [callFrames(stream, path), resetFrame(stream)]],
    ['breaks', (stream: number) => [callFrames(stream, path), windowFrame(stream, 0)]],
    ['says wrongly', (stream: number) => [frame({ type: 1, flags: 4, stream })]],
  ])('for calls that it %s without an end', async (_what, call) => {
    await using served = await Served.open();
    const raw = await served.client();
    for (let at = 0; at < 1500; at += 1) raw.send(...call(1 + 2 * at));
    expect((await goAway(raw))?.code).toBe(11);
    expect(served.heard.length).toBeLessThan(1200);
    await eventually(() => expect(served.heard.every(({ stream }) => stream.isGone)).toBe(true));
  });

  it.each([
    ['what is no preface', Buffer.from('PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n'), 1],
    ['a frame before settings', Buffer.concat([preface, pingFrame()]), 1],
    [
      'settings that are heard before they are said',
      Buffer.concat([preface, frame({ type: 4, flags: 1 })]),
      1,
    ],
  ])('for %s', (_what, bytes, code) => {
    const { socket, written, over } = unplugged();
    socket.emit('data', bytes);
    expect(over).toEqual([expect.any(String)]);
    expect(written().at(-1)).toMatchObject({ type: frameTypes.goaway, code });
  });

  it('and those that take what they ask for may acknowledge it all', async () => {
    await using served = await Served.open(echoing);
    const raw = await served.client();
    for (let at = 0; at < 1500; at += 1) {
      raw.send(ask(1 + 2 * at));
      raw.send(windowFrame(0, 1), windowFrame(0, 1), pingFrame());
      if (at % 50 === 49) await raw.until(frameTypes.headers, 2 * (at + 1));
    }
    expect(served.over).toEqual([]);
  });
});

/** A connection whose client is this test. */
function unplugged(onHeard: (heard: Heard) => void = () => undefined) {
  const bytes: Buffer[] = [];
  const over: (string | undefined)[] = [];
  const socket = new Duplex({
    read: () => undefined,
    write: (chunk: Buffer, _encoding, done) => {
      bytes.push(Buffer.from(chunk));
      done();
    },
  }) as unknown as Socket;
  const connection = new ServerConnection(
    socket,
    connectionOptions({
      onStream: (stream) => onHeard(new Heard(stream)),
      onOver: (reason) => void over.push(reason),
    }),
  );
  const written = () => framesOf(Buffer.concat(bytes));
  return { socket, connection, over, written };
}

function framesOf(bytes: Buffer) {
  const frames: { type: number; stream: number; code: number | undefined }[] = [];
  for (let at = 0; at < bytes.length; at += 9 + bytes.readUIntBE(at, 3)) {
    const [type, stream] = [bytes[at + 3] as number, bytes.readUInt32BE(at + 5)];
    const code = type === frameTypes.goaway ? bytes.readUInt32BE(at + 13) : undefined;
    frames.push({ type, stream, code });
  }
  return frames;
}

describe('bytes at random', () => {
  const introduction = Buffer.concat([preface, settingsFrame()]);

  it('end a connection with a code, or do nothing', () => {
    const random = new SeededRandom(11);
    for (let round = 0; round < 2000; round += 1) {
      const { socket, over } = unplugged((heard) => heard.answer(Buffer.of(1)));
      socket.emit('data', introduction);
      for (let part = 0; part < 4; part += 1) socket.emit('data', noise(random, round));
      expect(over.length).toBeLessThanOrEqual(1);
      socket.destroy();
    }
  });

  it('that change a dialogue harm nobody but it', () => {
    const random = new SeededRandom(13);
    const dialogue = Buffer.concat([
      introduction,
      ask(1),
      ask(3),
      windowFrame(0, 9),
      resetFrame(3),
    ]);
    for (let round = 0; round < 3000; round += 1) {
      const { socket, over } = unplugged((heard) => heard.answer(heard.bytes));
      const bytes = Buffer.from(dialogue);
      const changes = random.integer(1, 4);
      for (let change = 0; change < changes; change += 1) {
        bytes[random.integer(0, bytes.length)] = random.integer(0, 256);
      }
      for (let at = 0; at < bytes.length; ) {
        const to = at + random.integer(1, 60);
        socket.emit('data', bytes.subarray(at, to));
        at = to;
      }
      expect(over.length).toBeLessThanOrEqual(1);
      socket.destroy();
    }
  });
});

/** Half of the time frames with heads that may be, of noise. */
function noise(random: SeededRandom, round: number): Buffer {
  const payload = Buffer.from(
    Array.from({ length: random.integer(0, 40) }, () => random.integer(0, 256)),
  );
  if (round % 2 === 0) return payload;
  const [type, set] = [random.integer(0, 11), random.integer(0, 64)];
  return frame({ type, flags: set, stream: random.integer(0, 6), payload });
}
