// Goal: a connection serves calls as the standard has it (RFC 9113), and ends when it is to.
// Method: a server on loopback and a client that speaks frame by frame.
import { describe, expect, it } from 'vitest';

import {
  callFrames,
  flags,
  frame,
  frameTypes,
  grpcHeaders,
  headerBlock,
  resetFrame,
  windowFrame,
} from '../grpc/raw-http2.fixture.ts';
import { eventually } from '../http/test-door.fixture.ts';
import {
  ask,
  echoing,
  goAway,
  type Heard,
  path,
  resetsOf,
  Served,
  settled,
} from './served.fixture.ts';

const nothing = new Uint8Array(0);

describe('a call', () => {
  it('is answered by a head, a message and an end', async () => {
    await using served = await Served.open(echoing);
    const raw = await served.client();
    raw.send(ask(1, 'hello'));
    await raw.until(frameTypes.headers, 2);
    const answer = raw.frames.filter(({ stream }) => stream === 1);
    expect(answer.map(({ type, flags: set }) => [type, set])).toEqual([
      [frameTypes.headers, flags.endHeaders],
      [frameTypes.data, 0],
      [frameTypes.headers, flags.endHeaders | flags.endStream],
    ]);
    expect(Buffer.from(answer[1]?.payload ?? nothing).toString()).toBe('hello');
    expect(served.heard[0]?.events).toEqual(['end', 'gone']);
    expect(served.heard[0]?.stream.headers.get(':path')).toBe(path);
  });

  it('may come in heads of several frames, padded, with trailers, and one byte at a time', async () => {
    await using served = await Served.open(echoing);
    const raw = await served.client();
    const block = headerBlock(grpcHeaders(path));
    const padded = Buffer.concat([Buffer.of(3), Buffer.alloc(5), block.subarray(0, 20)]);
    const bytes = Buffer.concat([
      frame({ type: 1, flags: 0x28, stream: 1, payload: Buffer.concat([padded, Buffer.alloc(3)]) }),
      frame({ type: 9, stream: 1, payload: block.subarray(20, 30) }),
      frame({ type: 9, flags: flags.endHeaders, stream: 1, payload: block.subarray(30) }),
      frame({ type: 0, stream: 1, payload: Buffer.from('hel') }),
      frame({ type: 0, stream: 1, payload: Buffer.from('lo') }),
      frame({ type: 1, flags: 5, stream: 1, payload: headerBlock([['a', 'b']]) }),
    ]);
    for (const byte of bytes) raw.send(Buffer.of(byte));
    const data = await raw.next(frameTypes.data);
    expect(Buffer.from(data?.payload ?? nothing).toString()).toBe('hello');
  });

  it('of many at a time is answered in writes of many', async () => {
    await using served = await Served.open(echoing);
    const raw = await served.client();
    let reads = 0;
    raw.socket.on('data', () => {
      reads += 1;
    });
    await settled(raw);
    reads = 0;
    raw.send(...Array.from({ length: 90 }, (_, at) => ask(1 + 2 * at)));
    await raw.until(frameTypes.headers, 180);
    expect(reads).toBeLessThan(10);
  });

  it('that is over before the client has said all stops it, and what comes late is ignored', async () => {
    await using served = await Served.open({ onHeard: (heard) => heard.answer() });
    const raw = await served.client();
    raw.send(callFrames(1, path));
    await raw.until(frameTypes.reset, 1);
    expect(resetsOf(raw)).toEqual([[1, 0]]);
    raw.send(frame({ type: 0, stream: 1, payload: Buffer.alloc(100) }), windowFrame(1, 5));
    raw.send(resetFrame(1), frame({ type: 2, stream: 1, payload: Buffer.alloc(5) }));
    await settled(raw);
    expect([served.over, resetsOf(raw)]).toEqual([[], [[1, 0]]]);
  });

  it('may be broken off, and its reader is told once', async () => {
    await using served = await Served.open();
    const raw = await served.client();
    raw.send(callFrames(1, path), callFrames(3, path));
    await settled(raw);
    const [one, other] = served.heard as [Heard, Heard];
    one.stream.reset(2);
    one.stream.reset(2);
    raw.send(resetFrame(3), resetFrame(3));
    await settled(raw);
    expect(resetsOf(raw)).toEqual([[1, 2]]);
    expect([one.events, other.events]).toEqual([['gone'], ['gone']]);
    expect([one.stream.isGone, other.stream.isGone]).toEqual([true, true]);
    other.answer(Buffer.from('nobody hears'));
    await settled(raw);
    expect(raw.frames.filter(({ stream }) => stream === 3)).toEqual([]);
  });
});

describe('a server that leaves', () => {
  it('answers what has begun, hears nothing new, and hangs up', async () => {
    await using served = await Served.open();
    const raw = await served.client();
    raw.send(ask(1), ask(3));
    await settled(raw);
    served.connections[0]?.leave();
    expect(await goAway(raw)).toEqual({ last: 3, code: 0 });
    raw.send(ask(5), frame({ type: 0, stream: 5, payload: Buffer.of(1) }), windowFrame(5, 1));
    for (const heard of served.heard) heard.answer(heard.bytes);
    await raw.closed();
    const answered = raw.frames.filter(({ type, stream }) => type === 0 && stream > 0);
    expect([answered.map(({ stream }) => stream), served.heard.length]).toEqual([[1, 3], 2]);
    expect(served.over).toEqual([undefined]);
  });

  it('hangs up at once where nothing has begun, and follows a client that leaves', async () => {
    await using served = await Served.open();
    const [raw, other] = [await served.client(), await served.client()];
    await Promise.all([settled(raw), settled(other)]);
    served.connections[0]?.leave();
    other.send(frame({ type: frameTypes.goaway, payload: Buffer.alloc(8) }));
    await Promise.all([raw.closed(), other.closed()]);
    expect(served.over).toEqual([undefined, undefined]);
  });

  it('is told whether the client is there', async () => {
    await using served = await Served.open();
    const raw = await served.client();
    await settled(raw);
    const answered = new Promise<void>((resolve) => served.connections[0]?.ping(resolve));
    const asked = await raw.next(frameTypes.ping);
    expect(asked?.flags).toBe(0);
    raw.send(frame({ type: frameTypes.ping, flags: 1, payload: asked?.payload ?? nothing }));
    await answered;
  });
});

describe('a connection that is not read from', () => {
  it('heeds no frame, not even of what was read, until it is read again', async () => {
    await using served = await Served.open({
      onHeard: () => {
        const [connection] = served.connections;
        connection?.pauseReading();
        setImmediate(() => connection?.resumeReading());
        turns.push(served.heard.length);
      },
    });
    const turns: number[] = [];
    const raw = await served.client();
    raw.send(ask(1), ask(3), ask(5));
    await eventually(() => expect(served.heard).toHaveLength(3));
    expect(turns).toEqual([1, 2, 3]);
    await settled(raw);
  });
});
