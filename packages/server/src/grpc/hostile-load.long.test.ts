// Goal: what a client makes a member hold is bounded, whether it begins and does not end, asks and
// does not read, or does both a little. Method: the door on loopback over an engine in memory, the
// bytes of this process' buffers, and a stock client beside it all whose calls must succeed.
import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';

import { heldBuffers, heldObjects } from '../held-memory.fixture.ts';
import { eventually } from '../http/test-door.fixture.ts';
import { answerOf } from './grpc-client.fixture.ts';
import {
  HostileDoor,
  mebibyte,
  putMessage,
  putPath,
  rangeMessage,
  rangePath,
} from './hostile-door.fixture.ts';
import {
  callFrames,
  frame,
  frameTypes,
  grpcHeaders,
  headerBlock,
  hpackNumber,
  initialWindowSize,
  pingFrame,
  RawHttp2,
  resetFrame,
  settingsFrame,
  windowFrame,
} from './raw-http2.fixture.ts';

describe('a client that begins and does not end', () => {
  it('messages, is refused when it holds too much, and others are not', async () => {
    await using hostile = await HostileDoor.open();
    const [raw, other] = [await hostile.raw(), await hostile.stock()];
    const before = heldBuffers();
    const part = putMessage('a', new Uint8Array(mebibyte)).subarray(0, 120_000);
    for (let at = 0; at < 800; at += 1) {
      raw.send(callFrames(1 + 2 * at, putPath));
      for (let from = 0; from < part.length; from += 16_000) {
        const payload = part.subarray(from, from + 16_000);
        raw.send(frame({ type: frameTypes.data, stream: 1 + 2 * at, payload }));
      }
      if (at % 100 === 99) await hostile.put(other, 'beside', new Uint8Array(100_000));
    }
    await raw.until(frameTypes.reset, 100);
    expect(heldBuffers() - before).toBeLessThan(250 * mebibyte);
    raw.close();
    await hostile.put(other, 'still');
  });

  it('messages, a byte at a time, holds no more than those bytes', async () => {
    await using hostile = await HostileDoor.open();
    const [raw, other] = [await hostile.raw(), await hostile.stock()];
    const before = heldBuffers();
    const message = putMessage('a', new Uint8Array(mebibyte));
    raw.send(callFrames(1, putPath));
    // Each byte comes in a read of its own with much else.
    const filler = frame({ type: 0x20, payload: new Uint8Array(16_000) });
    for (let at = 0; at < 1500; at += 1) {
      const payload = message.subarray(at, at + 1);
      raw.send(frame({ type: frameTypes.data, stream: 1, payload }), filler, filler, filler);
      if (at % 100 !== 99) continue;
      await hostile.put(other, 'beside');
      // What has not been sent yet is held by this process too, though not by the door.
      raw.send(pingFrame());
      await raw.next(frameTypes.ping);
    }
    expect(heldBuffers() - before).toBeLessThan(40 * mebibyte);
    await hostile.put(other, 'still');
  });

  it('calls, as many as it may, leaves the others alone', async () => {
    await using hostile = await HostileDoor.open();
    const other = await hostile.stock();
    const before = heldObjects();
    for (let connections = 0; connections < 3; connections += 1) {
      const raw = await hostile.raw();
      for (let at = 0; at < 3400; at += 1) raw.send(callFrames(1 + 2 * at, putPath));
      for (let at = 0; at < 20; at += 1) await hostile.put(other, 'beside');
    }
    expect(heldObjects() - before).toBeLessThan(150 * mebibyte);
  });

  it('calls with large heads, is refused when it holds too much', async () => {
    await using hostile = await HostileDoor.openStill();
    // It has not heard of the bound of a single head.
    const raw = await RawHttp2.connect(hostile.port, settingsFrame(), 1);
    const other = await hostile.stock();
    await raw.next(frameTypes.settings);
    const kept = [Buffer.of(0x40, 1, 0x61), hpackNumber(4000, 7), Buffer.alloc(4000, 0x78)];
    for (let at = 0; at < 600; at += 1) {
      const entries = at === 0 ? kept : [Buffer.alloc(120, 0x80 | 62)];
      const payload = Buffer.concat([headerBlock(grpcHeaders(putPath)), ...entries]);
      raw.send(frame({ type: 1, flags: 4, stream: 1 + 2 * at, payload }));
      if (at % 200 === 199) await hostile.put(other, 'beside');
    }
    expect((await raw.until(frameTypes.reset, 300)).length).toBeGreaterThanOrEqual(300);
    raw.close();
    await hostile.put(other, 'still');
  });
});

/** Of 900 KB each. */
async function fill(hostile: HostileDoor, keys: number, valueBytes = 900_000): Promise<void> {
  const client = await hostile.stock();
  const value = new Uint8Array(valueBytes).fill(97);
  for (let at = 0; at < keys; at += 1) await hostile.put(client, `v${at}`, value);
}

/** So many that an answer is made in pieces: 4 MB each, too. */
const fillMany = (hostile: HostileDoor): Promise<void> => fill(hostile, 2000, 2100);

const wide = settingsFrame([[initialWindowSize, 0x7fff_ffff]]);

describe('a client that asks and does not read', () => {
  it.each(['as it goes', 'as it gives its calls up'])('has nothing made for it %s', async (how) => {
    await using hostile = await HostileDoor.open();
    await fill(hostile, 4);
    const [raw, other] = [await hostile.raw(), await hostile.stock()];
    const { range } = hostile.door.engine;
    let answered = 0;
    hostile.door.engine.range = async (request, options) => {
      const answer = await range.call(hostile.door.engine, request, options);
      answered += 1;
      return answer;
    };
    const calls = Array.from({ length: 900 }, (_, at) => 1 + 2 * at);
    const message = { bytes: rangeMessage('v', 'w'), isLast: true };
    for (const stream of calls) raw.send(callFrames(stream, rangePath, message));
    raw.send(pingFrame());
    await raw.next(frameTypes.ping);
    if (how === 'as it goes') raw.close();
    else raw.send(...calls.map((stream) => resetFrame(stream)), pingFrame());
    if (!raw.socket.destroyed) await raw.next(frameTypes.ping);
    for (let at = 0; at < 20; at += 1) await hostile.put(other, 'beside');
    expect(answered).toBeLessThan(20);
  });

  it.each([
    ['from its socket', wide, 'few keys'],
    ['from its streams', settingsFrame(), 'few keys'],
    ['from its socket', wide, 'many keys'],
    ['from its streams', settingsFrame(), 'many keys'],
  ])('%s, has no more made for it than a bound, until it reads', async (_what, settings, keys) => {
    await using hostile = await HostileDoor.open();
    await (keys === 'few keys' ? fill(hostile, 4) : fillMany(hostile));
    const other = await hostile.stock();
    const before = heldBuffers();
    const deaf = await hostile.raw(settings);
    deaf.send(windowFrame(0, 0x7fff_0000));
    deaf.socket.pause();
    for (let at = 0; at < 1000; at += 1) {
      const message = { bytes: rangeMessage('v', 'w'), isLast: true };
      deaf.send(callFrames(1 + 2 * at, rangePath, message));
      if (at % 50 === 49) await hostile.put(other, 'beside');
    }
    for (let at = 0; at < 50; at += 1) await hostile.put(other, 'beside');
    expect(heldBuffers() - before).toBeLessThan(64 * mebibyte);
    deaf.close();
    await hostile.put(other, 'still');
  });

  it('is given up after a while, as others wait for room sooner', async () => {
    await using hostile = await HostileDoor.open({ unreadMs: 1000 });
    await fill(hostile, 4);
    const deaf = await hostile.raw();
    for (let at = 0; at < 10; at += 1) {
      deaf.send(callFrames(1 + 2 * at, rangePath, { bytes: rangeMessage('v', 'w'), isLast: true }));
    }
    await deaf.closed();
    expect(hostile.turnedAway).toEqual(['it does not read its answers']);
  });

  it.each([
    ['few keys', 20],
    ['many keys', 12],
  ])(
    'of %s on many connections, holds no more than all may, and makes way',
    async (keys, crowd) => {
      await using hostile = await HostileDoor.open({
        unreadBytesMax: 16 * mebibyte,
        unreadMs: 500,
      });
      await (keys === 'few keys' ? fill(hostile, 4) : fillMany(hostile));
      const before = heldBuffers();
      for (let connections = 0; connections < crowd; connections += 1) {
        const deaf = await hostile.raw();
        for (let at = 0; at < 10; at += 1) {
          const message = { bytes: rangeMessage('v', 'w'), isLast: true };
          deaf.send(callFrames(1 + 2 * at, rangePath, message));
        }
      }
      const other = await hostile.stock();
      await hostile.put(other, 'beside');
      await eventually(() => {
        expect(process.memoryUsage().arrayBuffers - before).toBeGreaterThan(28 * mebibyte);
      });
      const message = rangeMessage('v', 'w');
      const answers = Promise.all(Array.from({ length: 5 }, () => other.say(rangePath, message)));
      await hostile.put(other, 'beside');
      expect(heldBuffers() - before).toBeLessThan(64 * mebibyte);
      expect((await answers).map(({ status }) => status)).toEqual(Array(5).fill(0));
      while (hostile.turnedAway.length < crowd) {
        expect((await other.say(rangePath, message)).status).toBe(0);
      }
    },
  );

  it('long answers is given short ones beside them, on the same connection', async () => {
    await using hostile = await HostileDoor.open();
    await fillMany(hostile);
    const client = await hostile.stock();
    const long = Array.from({ length: 5 }, () => client.begin(rangePath));
    for (const stream of long) stream.end(rangeMessage('v', 'w'));
    for (let at = 0; at < 20; at += 1) {
      expect((await client.say(rangePath, rangeMessage('v1'))).status).toBe(0);
      await hostile.put(client, 'beside');
    }
    for (const stream of long) expect((await answerOf(stream)).status).toBe(0);
  });

  it.each([
    ['a few keys', () => 'w'],
    ['many keys', () => 'w'],
    ['many keys and of some in turn', (at: number) => (at % 2 === 0 ? 'w' : 'v11')],
  ])('slowly, gets all its answers of %s', async (what, rangeEnd) => {
    await using hostile = await HostileDoor.open();
    await (what === 'a few keys' ? fill(hostile, 4) : fillMany(hostile));
    const client = await hostile.stock();
    const streams = Array.from({ length: 20 }, () => client.begin(rangePath));
    for (const [at, stream] of streams.entries()) stream.end(rangeMessage('v1', rangeEnd(at)));
    for (const stream of streams) {
      await delay(5);
      const { status, messages } = await answerOf(stream);
      expect([status, messages[0]?.length]).toEqual([0, expect.any(Number)]);
    }
  });
});
