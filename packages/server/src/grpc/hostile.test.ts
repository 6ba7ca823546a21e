// Goal: whoever speaks HTTP/2 to do harm is told what is wrong, where that can be told, or is let
// go, and nobody else notices. Method: the door on loopback over an engine in memory, clients that
// speak frame by frame, and a stock one beside them whose calls must succeed.
import { once } from 'node:events';
import { describe, expect, it } from 'vitest';

import { answerOf, type GrpcClient } from './grpc-client.fixture.ts';
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
  flags,
  frame,
  frameTypes,
  grpcHeaders,
  headerBlock,
  hpackNumber,
  pingFrame,
  preface,
  RawHttp2,
  resetFrame,
  settingsFrame,
} from './raw-http2.fixture.ts';

const codeOf = (one: { readonly payload: Uint8Array } | undefined): number | undefined =>
  one && Buffer.from(one.payload).readUInt32BE(one.payload.length - 4);

describe('a client that is gone', () => {
  it.each(['ends', 'resets'])('and %s its connection leaves nothing behind', async (how) => {
    await using hostile = await HostileDoor.open();
    const raw = await hostile.raw();
    for (let at = 0; at < 500; at += 1) raw.send(callFrames(1 + 2 * at, putPath));
    raw.send(pingFrame());
    await raw.next(frameTypes.ping);
    if (how === 'ends') raw.socket.end();
    else raw.socket.resetAndDestroy();
    await hostile.nobodyIsLeft();
    expect(hostile.door.faults).toEqual([]);
  });

  it('before its answers, harms nobody', async () => {
    await using hostile = await HostileDoor.open();
    const other = await hostile.stock();
    for (let round = 0; round < 20; round += 1) {
      const raw = await hostile.raw();
      for (let at = 0; at < 50; at += 1) {
        const message = { bytes: putMessage(`k${at}`), isLast: true };
        raw.send(callFrames(1 + 2 * at, putPath, message));
      }
      raw.socket.resetAndDestroy();
    }
    await hostile.put(other, 'still');
    other.close();
    await hostile.nobodyIsLeft();
    expect(hostile.door.faults).toEqual([]);
  });

  it('and whose kernel does not say so, is asked for, and let go', async () => {
    await using hostile = await HostileDoor.openStill();
    const [deaf, other] = [await hostile.raw(), await hostile.stock()];
    deaf.send(callFrames(1, putPath), pingFrame());
    await deaf.next(frameTypes.ping);
    await hostile.put(other, 'a');
    await hasAnsweredPings(other);
    hostile.clock.advance(30_000); // Both have begun a call since.
    hostile.clock.advance(30_000);
    expect((await deaf.next(frameTypes.ping))?.flags).toBe(0);
    await hasAnsweredPings(other);
    hostile.clock.advance(20_000);
    await deaf.closed();
    expect(hostile.turnedAway).toEqual(['no answer to a ping']);
    await hostile.put(other, 'still');
  });
});

describe('a client that asks and does not read', () => {
  it('is given up, however many pings it asks and answers', async () => {
    await using hostile = await HostileDoor.openStill({ unreadMs: 2000 });
    const [deaf, other] = [await hostile.raw(), await hostile.stock()];
    await hostile.put(other, 'v', new Uint8Array(mebibyte));
    // The first 64 KiB of the answer come, and the stream is not told of room for more.
    deaf.send(callFrames(1, rangePath, { bytes: rangeMessage('v'), isLast: true }));
    await deaf.next(frameTypes.data);
    for (let ms = 0; ms < 5000 && hostile.turnedAway.length === 0; ms += 500) {
      deaf.send(pingFrame());
      await deaf.next(frameTypes.ping);
      hostile.clock.advance(500);
    }
    expect(hostile.turnedAway).toEqual(['it does not read its answers']);
    await hostile.put(other, 'still');
  });
});

/** What this client has to say is read before the answer to its own ping is written. */
const hasAnsweredPings = async (client: GrpcClient): Promise<void> => {
  for (let times = 0; times < 2; times += 1) {
    await new Promise((resolve) => client.session.ping(resolve));
  }
};

describe('a client that stops short', () => {
  it('within its first bytes, or after them, is let go', async () => {
    await using hostile = await HostileDoor.openStill();
    const dumb = await hostile.text();
    dumb.send(preface.toString('latin1'));
    const deaf = await RawHttp2.connect(hostile.port, settingsFrame(), 0);
    const slow = await RawHttp2.connect(hostile.port, settingsFrame(), 0);
    await Promise.all([deaf, slow].map((raw) => raw.next(frameTypes.settings)));
    slow.send(callFrames(1, '/no.such/Method'));
    await slow.next(frameTypes.headers);
    hostile.clock.advance(2999);
    expect([dumb, deaf, slow].map(({ socket }) => socket.closed)).toEqual([false, false, false]);
    hostile.clock.advance(1);
    await Promise.all([dumb.closed(), deaf.closed(), slow.closed()]);
    expect(hostile.turnedAway).toEqual(Array(3).fill('no settings in time'));
  });

  it('of its message, is told so after a while', async () => {
    await using hostile = await HostileDoor.openStill({ requestTimeoutMs: 10_000 });
    const client = await hostile.stock();
    await hostile.put(client, 'a');
    const stream = client.begin(putPath);
    const answer = answerOf(stream);
    stream.write(putMessage('a').subarray(0, 7));
    await hasAnsweredPings(client);
    hostile.clock.advance(10_000);
    await hostile.put(client, 'b');
    hostile.clock.advance(10_000);
    const { status, message } = await answer;
    expect([status, message]).toEqual([4, 'grpc: the call did not get its message in time']);
    await hostile.put(client, 'still');
  });

  it('is turned away beyond the bound of connections, as over HTTP/1.1', async () => {
    await using hostile = await HostileDoor.open({ connectionsMax: 2 });
    const [one] = [await hostile.stock(), await hostile.raw()];
    const third = await hostile.text();
    await third.closed();
    await hostile.put(one, 'still');
  });
});

describe('a client that goes on after the end of its calls', () => {
  it.each([
    ['of no method', '/no.such/Method', putMessage('a').subarray(0, 9)],
    ['of no known form', putPath, Buffer.of(1, 0, 0, 0, 0)],
    ['longer than may be', putPath, Buffer.of(0, 0xff, 0xff, 0xff, 0xff, 1, 2, 3)],
  ])('is told to stop, and its calls %s do not pile up', async (_what, path, bytes) => {
    await using hostile = await HostileDoor.open();
    const raw = await hostile.raw();
    for (let at = 0; at < 6000; at += 1) {
      raw.send(callFrames(1 + 2 * at, path, { bytes, isLast: false }));
      if (at % 1000 === 999) await raw.until(frameTypes.reset, at + 1);
    }
    const resets = await raw.until(frameTypes.reset, 6000);
    expect(new Set(resets.map(codeOf))).toEqual(new Set([0]));
    expect(raw.socket.closed).toBe(false);
  });

  it('is told of the end first', async () => {
    await using hostile = await HostileDoor.open();
    const client = await hostile.stock();
    const stream = client.begin(putPath);
    const answer = answerOf(stream);
    stream.write(Buffer.of(1, 0, 0, 0, 0));
    expect(await answer).toMatchObject({ status: 12, httpStatus: 200 });
    expect(stream.rstCode).toBe(0);
  });
});

describe('a client that says what can not be', () => {
  it.each([
    ['', 'of no character'],
    ['x'.repeat(300), 'too long'],
    ['a\tb', 'with a control character'],
  ])('as its own name, is told so', async (name) => {
    await using hostile = await HostileDoor.open();
    const client = await hostile.stock();
    const named = await client.say(putPath, putMessage('a'), { 'holdfast-actor': name });
    expect([named.status, named.message]).toEqual([3, expect.stringMatching(/Holdfast-Actor/)]);
    await hostile.put(client, 'still');
  });

  it('as a path, is told no more of it than fits', async () => {
    await using hostile = await HostileDoor.open();
    const client = await hostile.stock();
    const { status, message } = await client.say(`/${'x'.repeat(10_000)}`, putMessage('a'));
    expect([status, message.length < 300]).toEqual([12, true]);
  });

  const goaway = async (raw: RawHttp2): Promise<number> => {
    const told = await raw.next(frameTypes.goaway);
    return told ? Buffer.from(told.payload).readUInt32BE(4) : -1;
  };

  it.each([
    ['a frame larger than may be', 6, frame({ type: 0, stream: 1, payload: Buffer.alloc(20_000) })],
    ['data on no stream', 1, frame({ type: 0, stream: 0, payload: Buffer.alloc(1) })],
    ['headers that are none', 9, frame({ type: 1, flags: 4, stream: 1, payload: Buffer.of(0xff) })],
  ])('as HTTP/2, %s, is told how, and nobody else', async (_what, code, bytes) => {
    await using hostile = await HostileDoor.open();
    const [raw, other] = [await hostile.raw(), await hostile.stock()];
    raw.send(bytes);
    expect(await goaway(raw)).toBe(code);
    await hostile.put(other, 'still');
  });

  it.each(floods())('by %s, is let go, and nobody else', async (_what, bytesAt) => {
    await using hostile = await HostileDoor.open();
    const [raw, other] = [await hostile.raw(), await hostile.stock()];
    raw.socket.pause();
    for (let at = 0; hostile.turnedAway.length === 0; at += 1) {
      raw.send(bytesAt(at));
      await hostile.put(other, 'beside');
    }
    await hostile.put(other, 'still');
    expect(hostile.turnedAway.length).toBe(1);
    expect(hostile.door.faults).toEqual([]);
  });

  it('by headers that unfold, is refused each call, and nobody else', async () => {
    await using hostile = await HostileDoor.open();
    const [raw, other] = [await hostile.raw(), await hostile.stock()];
    // A header that a table keeps (RFC 7541, 6.2.1), and a byte for each time that it is meant.
    const kept = [Buffer.of(0x40, 1, 0x61), hpackNumber(4000, 7), Buffer.alloc(4000, 0x78)];
    const again = [Buffer.alloc(10_000, 0x80 | 62)];
    for (let at = 0; at < 300; at += 1) {
      const entries = at === 0 ? kept : again;
      const payload = Buffer.concat([headerBlock(grpcHeaders(putPath)), ...entries]);
      raw.send(frame({ type: 1, flags: flags.endHeaders, stream: 1 + 2 * at, payload }));
      if (at % 10 === 0) await hostile.put(other, 'beside');
    }
    expect(codeOf(await raw.next(frameTypes.reset))).toBe(11);
    await hostile.put(other, 'still');
  });

  it('by resets one after another, gets no further work done', async () => {
    await using hostile = await HostileDoor.open();
    const [raw, other] = [await hostile.raw(), await hostile.stock()];
    let begun = 0;
    const { put } = hostile.door.engine;
    hostile.door.engine.put = (request, options) => {
      begun += 1;
      return put.call(hostile.door.engine, request, options);
    };
    for (let at = 0; at < 4000; at += 1) {
      const message = { bytes: putMessage('a'), isLast: true };
      raw.send(callFrames(1 + 2 * at, putPath, message), resetFrame(1 + 2 * at));
      if (at % 500 === 0) await hostile.put(other, 'beside');
    }
    expect(await goaway(raw)).toBe(11);
    expect(begun).toBeLessThan(2000);
    await hostile.put(other, 'still');
  });
});

function floods(): readonly (readonly [string, (at: number) => Uint8Array])[] {
  const many = (bytes: Uint8Array): Uint8Array => Buffer.concat(Array(10_000).fill(bytes));
  const open = { type: frameTypes.headers, stream: 1, payload: headerBlock(grpcHeaders('/x')) };
  const more = frame({
    type: frameTypes.continuation,
    stream: 1,
    payload: headerBlock([['a', 'b']]),
  });
  return [
    ['pings', () => many(pingFrame())],
    ['settings', () => many(settingsFrame([[4, 65_535]]))],
    ['headers that never end', (at) => (at === 0 ? frame(open) : many(more))],
  ];
}

describe('a member that stops', () => {
  it('answers what is under way, and sends clients elsewhere', async () => {
    await using hostile = await HostileDoor.open();
    const client = await hostile.stock();
    let answer = (): void => undefined;
    const { put } = hostile.door.engine;
    const begun = new Promise<void>((isBegun) => {
      hostile.door.engine.put = async (request, options) => {
        isBegun();
        await new Promise<void>((resolve) => {
          answer = resolve;
        });
        return await put.call(hostile.door.engine, request, options);
      };
    });
    const written = hostile.put(client, 'a');
    await begun;
    const closed = hostile.door.app.close();
    await once(client.session, 'goaway');
    const late = client.say(putPath, putMessage('b')).catch(() => undefined);
    answer();
    expect((await written).header?.revision).toBeGreaterThan(1);
    await closed;
    expect((await late)?.status).not.toBe(0);
  });
});
