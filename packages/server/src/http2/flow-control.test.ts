// Goal: nobody is sent more than he gave room for, nor may send more than he was given, and all of
// it arrives in the end, whenever windows change. Method: a server on loopback and a client that
// gives room by hand.
import { describe, expect, it } from 'vitest';

import {
  callFrames,
  flags,
  frame,
  frameTypes,
  initialWindowSize,
  type RawHttp2,
  settingsFrame,
  windowFrame,
} from '../grpc/raw-http2.fixture.ts';
import { eventually } from '../http/test-door.fixture.ts';
import { ask, type Heard, path, Served, settled } from './served.fixture.ts';

const maxFrameSize = 5;

const dataOf = (raw: RawHttp2, stream: number): number[] =>
  raw.frames
    .filter((one) => one.type === frameTypes.data && one.stream === stream)
    .map(({ payload }) => payload.length);

const sum = (lengths: readonly number[]): number => lengths.reduce((all, one) => all + one, 0);

const isEnded = (raw: RawHttp2, stream: number): boolean =>
  raw.frames.some((one) => one.stream === stream && (one.flags & flags.endStream) !== 0);

const answering = (bytes: number) => ({
  onHeard: (heard: Heard) => {
    heard.onHeardEnd = () => heard.answer(Buffer.alloc(bytes, 7));
  },
});

describe('what is sent', () => {
  it('is as much as the stream has room for, as that grows and shrinks', async () => {
    await using served = await Served.open(answering(40));
    const raw = await served.client(settingsFrame([[initialWindowSize, 10]]));
    raw.send(ask(1));
    await settled(raw);
    expect([dataOf(raw, 1), isEnded(raw, 1)]).toEqual([[10], false]);
    raw.send(windowFrame(1, 5));
    await settled(raw);
    expect(dataOf(raw, 1)).toEqual([10, 5]);
    raw.send(settingsFrame([[initialWindowSize, 14]]));
    await settled(raw);
    expect(dataOf(raw, 1)).toEqual([10, 5, 4]);
    raw.send(settingsFrame([[initialWindowSize, 0]]));
    raw.send(windowFrame(1, 14)); // Less than nothing before, nothing now.
    await settled(raw);
    expect(dataOf(raw, 1)).toEqual([10, 5, 4]);
    raw.send(windowFrame(1, 1000));
    await settled(raw);
    expect([dataOf(raw, 1), isEnded(raw, 1)]).toEqual([[10, 5, 4, 21], true]);
    await eventually(() => expect(served.heard[0]?.events).toEqual(['end', 'gone']));
  });

  it('waits for settings that are said late, and needs no room for its end', async () => {
    await using served = await Served.open({
      onHeard: (heard) => {
        heard.onHeardEnd = () => heard.answer();
      },
    });
    const raw = await served.client(settingsFrame([[initialWindowSize, 0]]));
    raw.send(ask(1));
    await raw.until(frameTypes.headers, 2);
    expect(isEnded(raw, 1)).toBe(true);
  });

  it('is as much as the connection has room for, in turns of its streams', async () => {
    await using served = await Served.open(answering(100_000));
    const raw = await served.client(settingsFrame([[initialWindowSize, 1_000_000]]));
    raw.send(ask(1), ask(3), ask(5));
    const sent = (): number[] => [1, 3, 5].map((stream) => sum(dataOf(raw, stream)));
    await eventually(() => expect(sum(sent())).toBe(65_535));
    await settled(raw);
    expect(sum(sent())).toBe(65_535);
    expect(Math.min(...sent())).toBeGreaterThanOrEqual(16_384);
    raw.send(windowFrame(0, 300_000));
    await eventually(() => expect(sent()).toEqual([100_000, 100_000, 100_000]));
    await eventually(() => {
      expect([1, 3, 5].map((stream) => isEnded(raw, stream))).toEqual([true, true, true]);
    });
  });

  it('may be acknowledged frame by frame, however short its messages are', async () => {
    const messages = Array.from({ length: 3000 }, () => Buffer.alloc(10, 7));
    await using served = await Served.open({
      onHeard: (heard) => {
        heard.onHeardEnd = () => heard.answer(...messages);
      },
    });
    const raw = await served.client();
    raw.send(ask(1));
    await eventually(() => expect(dataOf(raw, 1)).toHaveLength(3000));
    for (let at = 0; at < 2 * 3000; at += 1) raw.send(windowFrame(0, 10));
    await settled(raw);
    expect(served.over).toEqual([]);
  });

  it('is cut at the frames that the client takes', async () => {
    await using served = await Served.open(answering(50_000));
    const raw = await served.client();
    raw.send(ask(1));
    await raw.until(frameTypes.headers, 2);
    expect(dataOf(raw, 1)).toEqual([16_384, 16_384, 16_384, 848]);
    raw.send(settingsFrame([[maxFrameSize, 20_000]]), windowFrame(0, 50_000), ask(3));
    await raw.until(frameTypes.headers, 4);
    expect(dataOf(raw, 3)).toEqual([20_000, 20_000, 10_000]);
  });

  it('has room up to a bound, and says when it has some again', async () => {
    const room: boolean[] = [];
    await using served = await Served.open({
      onHeard: ({ stream }) => {
        stream.respond(Buffer.of(0x88));
        for (let at = 0; at < 3; at += 1) room.push(stream.send(Buffer.alloc(30_000)));
      },
    });
    const raw = await served.client();
    raw.send(callFrames(1, path));
    await settled(raw);
    expect([room, served.heard[0]?.events]).toEqual([[true, true, false], []]);
    raw.send(windowFrame(0, 90_000));
    await settled(raw);
    expect(served.heard[0]?.events).toEqual([]);
    raw.send(windowFrame(1, 90_000));
    await eventually(() => expect(served.heard[0]?.events).toEqual(['room']));
  });

  it('waits for the client to read, and is dropped when that gives the call up', async () => {
    await using served = await Served.open(answering(64 * 1024 * 1024));
    const raw = await served.client(settingsFrame([[initialWindowSize, 0x7fff_ffff]]));
    raw.send(windowFrame(0, 0x7fff_0000), ask(1));
    await raw.until(frameTypes.data, 1);
    raw.socket.pause();
    const [connection] = served.connections;
    const sent = (): number => connection?.sentBytes ?? 0;
    let before = -1;
    while (before !== sent()) {
      before = sent();
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    expect(before).toBeLessThan(32 * 1024 * 1024);
    raw.send(frame({ type: frameTypes.reset, stream: 1, payload: Buffer.alloc(4) }), ask(3));
    await eventually(() => expect(served.heard[0]?.events).toEqual(['end', 'gone']));
    raw.socket.resume();
    await eventually(() => expect(sum(dataOf(raw, 3))).toBe(64 * 1024 * 1024));
    expect(sum(dataOf(raw, 1))).toBeLessThan(32 * 1024 * 1024);
  });

  it('ends a stream whose window grows past all bounds, or by nothing', async () => {
    await using served = await Served.open();
    const raw = await served.client();
    raw.send(callFrames(1, path), windowFrame(1, 0x7fff_ffff));
    raw.send(callFrames(3, path), windowFrame(3, 0));
    const resets = await raw.until(frameTypes.reset, 2);
    const codes = resets.map(({ stream, payload }) => [stream, payload.at(-1)]);
    expect(codes).toEqual([
      [1, 3],
      [3, 1],
    ]);
  });

  it.each([
    ['past all bounds', 3, windowFrame(0, 0x7fff_ffff)],
    ['by nothing', 1, windowFrame(0, 0)],
    ['past all bounds by settings', 3, settingsFrame([[initialWindowSize, 0x8000_0000]])],
    [
      'past all bounds by settings, on an open stream',
      3,
      Buffer.concat([
        callFrames(1, path),
        windowFrame(1, 0x7fff_0000),
        settingsFrame([[initialWindowSize, 0x7fff_0000]]),
      ]),
    ],
  ])('ends a connection whose window grows %s', async (_what, code, bytes) => {
    await using served = await Served.open();
    const raw = await served.client();
    raw.send(bytes);
    expect((await raw.next(frameTypes.goaway))?.payload[7]).toBe(code);
  });
});

const dataFrame = (stream: number, bytes: number, set = 0): Buffer =>
  frame({ type: frameTypes.data, flags: set, stream, payload: Buffer.alloc(bytes, stream) });

const windowsOf = (raw: RawHttp2, stream: number): number[] =>
  raw.frames
    .filter((one) => one.type === frameTypes.windowUpdate && one.stream === stream)
    .map(({ payload }) => Buffer.from(payload).readUInt32BE(0));

describe('what is taken in', () => {
  it('makes room as it is read, now and then', async () => {
    await using served = await Served.open({ windowBytes: 20_000 });
    const raw = await served.client();
    raw.send(callFrames(1, path));
    for (let at = 0; at < 20; at += 1) raw.send(dataFrame(1, 4000));
    await settled(raw);
    // Each is half of the window, or a frame more.
    expect(windowsOf(raw, 1)).toEqual(Array(6).fill(12_000));
    expect(served.heard[0]?.bytes).toHaveLength(80_000);
  });

  it('counts with what pads it', async () => {
    await using served = await Served.open({ windowBytes: 600 });
    const raw = await served.client();
    const padded = Buffer.concat([Buffer.of(255), Buffer.alloc(300)]);
    const one = frame({ type: frameTypes.data, flags: 8, stream: 1, payload: padded });
    raw.send(callFrames(1, path), one);
    await settled(raw);
    expect(windowsOf(raw, 1)).toEqual([301]);
    expect(served.heard[0]?.bytes).toHaveLength(45);
  });

  it('waits while the stream is paused, with its end, and comes in order', async () => {
    await using served = await Served.open({
      windowBytes: 40_000,
      onHeard: ({ stream }) => stream.pause(),
    });
    const raw = await served.client();
    raw.send(callFrames(1, path));
    for (let at = 0; at < 40; at += 1) {
      const payload = Buffer.alloc(1000, at);
      const set = at === 39 ? flags.endStream : 0;
      raw.send(frame({ type: frameTypes.data, flags: set, stream: 1, payload }));
    }
    await settled(raw);
    const [heard] = served.heard as [Heard];
    expect([windowsOf(raw, 1), heard.bytes.length, heard.events]).toEqual([[], 0, []]);
    heard.stream.resume();
    expect(heard.events).toEqual(['end']);
    const expected = Array.from({ length: 40 }, (_, at) => Buffer.alloc(1000, at));
    expect(heard.bytes.equals(Buffer.concat(expected))).toBe(true);
  });

  it('makes room for a stream that was paused when it goes on', async () => {
    await using served = await Served.open({
      windowBytes: 40_000,
      onHeard: ({ stream }) => stream.pause(),
    });
    const raw = await served.client();
    raw.send(callFrames(1, path), dataFrame(1, 15_000), dataFrame(1, 10_000));
    await settled(raw);
    expect(windowsOf(raw, 1)).toEqual([]);
    served.heard[0]?.stream.resume();
    await settled(raw);
    expect(windowsOf(raw, 1)).toEqual([25_000]);
  });

  it('does not hold up other streams while one is paused', async () => {
    await using served = await Served.open({
      ...{ windowBytes: 100_000, connectionWindowBytes: 120_000 },
      onHeard: ({ stream }) => {
        if (stream.id === 1) stream.pause();
      },
    });
    const raw = await served.client();
    raw.send(callFrames(1, path), callFrames(3, path));
    for (let at = 0; at < 6; at += 1) raw.send(dataFrame(1, 16_000));
    await settled(raw);
    expect(sum(windowsOf(raw, 0)) + 65_535).toBeGreaterThanOrEqual(16_000 * 9);
    for (let at = 0; at < 6; at += 1) raw.send(dataFrame(3, 16_000));
    await eventually(() => expect(served.heard[1]?.bytes).toHaveLength(96_000));
  });

  it('and is more than the stream has room for, ends the stream', async () => {
    await using served = await Served.open({
      windowBytes: 20_000,
      onHeard: ({ stream }) => stream.pause(),
    });
    const raw = await served.client();
    raw.send(callFrames(1, path), dataFrame(1, 16_000), dataFrame(1, 4001));
    expect((await raw.next(frameTypes.reset))?.payload[3]).toBe(3);
    expect(served.over).toEqual([]);
  });
});
