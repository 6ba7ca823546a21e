// Goal: the door gives a stream's handler what its client says, in order and only while it listens,
// and each stream ends once, with a status. Method: a handler that notes everything behind a door
// on loopback, and clients of node:http2.
import { once } from 'node:events';
import { type ClientHttp2Stream, constants } from 'node:http2';
import { connect, createServer, type Server } from 'node:net';

import { HoldfastError } from '@holdfast/base/errors';
import { ManualClock } from '@holdfast/base/manual-clock';
import { RecentCounts } from '@holdfast/base/recent-counts';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { testAccess } from '../access/access.fixture.ts';
import { EngineSlot } from '../engine-slot.ts';
import { etcdStatusOf } from '../etcd/etcd-status.ts';
import { AnswerGate } from '../http/answer-gate.ts';
import { CallDeadlines } from '../http/call-deadlines.ts';
import { FreshStreams } from '../http/fresh-streams.ts';
import { defaultHttpLimits, type HttpContext } from '../http/http-context.ts';
import { RequestTimes } from '../http/request-times.ts';
import { eventually } from '../http/test-door.fixture.ts';
import { answerOf, frameMessage, GrpcClient } from './grpc-client.fixture.ts';
import { GrpcDoor } from './grpc-door.ts';
import type { StreamCall, StreamMethod } from './method.ts';
import { GrpcStatus, statusCodes } from './status.ts';

const path = '/test.Notes/Take';

/** What a handler was told, and what it does about messages. */
class Notes {
  call: StreamCall | undefined;
  readonly heard: string[] = [];
  onMessage: (text: string) => void = () => undefined;
  onOpen: () => void = () => undefined;

  open(call: StreamCall): ReturnType<StreamMethod['open']> {
    this.call = call;
    this.onOpen();
    return {
      onMessage: (message) => {
        const said = Buffer.from(message).toString();
        this.heard.push(said.length > 20 ? `${said.length} bytes` : said);
        this.onMessage(said);
      },
      onEnd: () => void this.heard.push('END'),
      onRoom: () => void this.heard.push('ROOM'),
      onGone: () => void this.heard.push('GONE'),
    };
  }
}

let clock: ManualClock;
let context: HttpContext;
let notes: Notes;
let door: GrpcDoor;
let server: Server;
let client: GrpcClient;

beforeEach(async () => {
  clock = new ManualClock();
  context = contextOn(clock);
  notes = new Notes();
  const method: StreamMethod = {
    ...{ kind: 'stream', name: 'Notes/Take', statusOf: etcdStatusOf },
    open: (call) => notes.open(call),
  };
  door = new GrpcDoor({
    ...{ context, methods: new Map([[path, method]]) },
    messageBytesMax: 8 * 1024 * 1024,
    onTurnedAway: () => undefined,
  });
  server = createServer((socket) => door.accept(socket));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  client = await GrpcClient.connect((server.address() as { port: number }).port);
});

afterEach(() => {
  client.close();
  server.close();
});

const slot = new EngineSlot();

const contextOn = (of: ManualClock): HttpContext => ({
  slot,
  access: testAccess(slot, of),
  clock: of,
  limits: defaultHttpLimits,
  answers: new AnswerGate({ clock: of, ...defaultHttpLimits }),
  deadlines: new CallDeadlines(of, 1000),
  times: new RequestTimes(),
  failures: new RecentCounts(of, 1000),
  streams: new Set(),
  freshStreams: new FreshStreams({ clock: of, ageMs: () => 0 }),
  onFault: () => undefined,
});

const framesOf = (...texts: readonly string[]): Uint8Array =>
  Buffer.concat(texts.map((text) => frameMessage(Buffer.from(text))));
const frame = (text: string): Uint8Array => framesOf(text);

/** As a client sends it that has not ended what it says; node:http2 would end it first. */
function resetFrame(streamId: number): Uint8Array {
  const bytes = Buffer.from([0, 0, 4, 3, 0, 0, 0, 0, 0, 0, 0, 0, constants.NGHTTP2_CANCEL]);
  bytes.writeUInt32BE(streamId, 5);
  return bytes;
}

async function begun(headers: Readonly<Record<string, string>> = {}): Promise<ClientHttp2Stream> {
  const stream = client.begin(path, headers);
  await eventually(() => expect(notes.call).toBeDefined());
  return stream;
}

const heard = (...texts: readonly string[]): Promise<void> =>
  eventually(() => expect(notes.heard).toEqual(texts));

describe('what a client says', () => {
  it('comes in order, however it is cut, and its end after it', async () => {
    const stream = await begun();
    const answer = answerOf(stream);
    const body = framesOf('one', '', 'two', 'three');
    stream.write(body.subarray(0, 7));
    await new Promise((resolve) => setImmediate(resolve));
    stream.end(body.subarray(7));
    await heard('one', '', 'two', 'three', 'END');
    notes.call?.send(frame('answer'));
    notes.call?.end('ok');
    const { status, messages } = await answer;
    expect([status, messages.map((one) => Buffer.from(one).toString())]).toEqual([0, ['answer']]);
    expect(notes.heard.at(-1)).toBe('GONE');
  });

  it('waits while the handler does, also what came in one piece with the last', async () => {
    const stream = await begun();
    notes.onMessage = (text) => {
      if (text.startsWith('stop')) notes.call?.pause();
    };
    stream.write(framesOf('one', 'stop', 'two', 'stop again', 'three'));
    await heard('one', 'stop');
    stream.end(frame('four'));
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(notes.heard).toEqual(['one', 'stop']);
    notes.call?.resume();
    expect(notes.heard).toEqual(['one', 'stop', 'two', 'stop again']);
    notes.call?.resume();
    await heard('one', 'stop', 'two', 'stop again', 'three', 'four', 'END');
  });

  it('does not pile up while the handler waits: its window closes', async () => {
    const stream = await begun();
    notes.call?.pause();
    const message = frame('x'.repeat(1024 * 1024));
    for (let at = 0; at < 8; at += 1) stream.write(message);
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(stream.writableLength).toBeGreaterThan(4 * 1024 * 1024);
    expect(notes.heard).toEqual([]);
    notes.call?.resume();
    await eventually(() => expect(notes.heard.length).toBe(8));
    expect(notes.heard[7]).toBe('1048576 bytes');
  });

  it('is told to be over once, and a handler that pauses after that holds nothing', async () => {
    const calls: StreamCall[] = [];
    notes.onOpen = () => void calls.push(notes.call as StreamCall);
    const streamsMax = 520; // 512 that are paused hold all that a connection may.
    for (let at = 0; at < streamsMax; at += 1) client.begin(path).end();
    await heard(...Array(streamsMax).fill('END'));
    for (const call of calls) {
      call.pause();
      call.resume();
    }
    await new Promise((resolve) => setImmediate(resolve)); // One without room fails a bit later.
    expect(calls.filter(({ signal }) => signal.aborted)).toEqual([]);
    await heard(...Array(streamsMax).fill('END'));
  });

  it('ends the call where it makes no sense', async () => {
    const cut = await begun();
    cut.end(frame('whole').subarray(0, 7));
    expect(await answerOf(cut)).toMatchObject({ status: 13 });
    await heard('GONE');
    notes.heard.length = 0;
    const packed = client.begin(path);
    packed.write(Buffer.concat([frame('good'), Buffer.from([1, 0, 0, 0, 0]), frame('more')]));
    expect(await answerOf(packed)).toMatchObject({ status: 12 });
    await heard('good', 'GONE');
  });

  it('is given to nobody after the handler has ended the call', async () => {
    const stream = await begun();
    notes.onMessage = () => notes.call?.end('ok');
    const answer = answerOf(stream);
    stream.write(framesOf('one', 'two', 'three'));
    expect(await answer).toMatchObject({ status: 0, httpStatus: 200 });
    expect(notes.heard).toEqual(['one', 'GONE']);
    notes.call?.end(new GrpcStatus(statusCodes.internal, 'too late'));
    expect(notes.call?.send(frame('too late'))).toBe(false);
  });
});

describe('what a handler says', () => {
  it('finds no room while nobody reads, and hears when there is some', async () => {
    const stream = await begun();
    stream.pause();
    let sent = 0;
    while (notes.call?.send(frame('x'.repeat(10_000)))) sent += 1;
    expect(sent).toBeLessThan(10);
    await new Promise((resolve) => setTimeout(resolve, 20));
    let bytes = 0;
    stream.on('data', (part: Buffer) => {
      bytes += part.length;
    });
    stream.resume();
    await eventually(() => expect(notes.heard).toContain('ROOM'));
    await eventually(() => expect(bytes).toBe((sent + 1) * 10_005));
  });

  it('and throws is how the call ends', async () => {
    const own = new GrpcStatus(statusCodes.aborted, 'an own word: \u00e4 100%');
    for (const [thrown, status, message] of [
      [own, 10, own.message],
      [new HoldfastError('compacted', 'gone'), 11, 'etcdserver: mvcc: required revision has been'],
      [new Error('a fault'), 13, 'this member made a mistake'],
    ] as const) {
      notes.onMessage = () => {
        throw thrown;
      };
      const stream = client.begin(path);
      stream.write(frame('x'));
      const answer = await answerOf(stream);
      expect(answer.status).toBe(status);
      expect(answer.message).toContain(message);
    }
    notes.onOpen = () => {
      throw own;
    };
    notes.heard.length = 0;
    expect(await answerOf(client.begin(path))).toMatchObject({ status: 10, httpStatus: 200 });
    expect(notes.heard).toEqual([]);
  });
});

describe('the end of a stream', () => {
  it('is told once when the client gives it up, which is not all that it had to say', async () => {
    const socket = connect((server.address() as { port: number }).port, '127.0.0.1');
    const other = await GrpcClient.connect(0, socket);
    const stream = other.begin(path);
    stream.write(frame('one'));
    await heard('one');
    const { signal } = notes.call as StreamCall;
    socket.write(resetFrame(stream.id as number));
    await heard('one', 'GONE');
    expect([signal.aborted, notes.call?.send(frame('x'))]).toEqual([true, false]);
    other.close();
  });

  it('is told once when the client goes', async () => {
    await begun();
    client.session.destroy();
    await heard('GONE');
    expect(context.streams.size).toBe(0);
  });

  it('comes with the time that it was given, and no timer outlives it', async () => {
    await new Promise((resolve) => client.session.ping(resolve));
    const ofConnection = clock.pendingCount;
    const stream = await begun({ 'grpc-timeout': '500m' });
    const answer = answerOf(stream);
    clock.advance(499);
    expect(notes.heard).toEqual([]);
    clock.advance(1);
    expect(await answer).toMatchObject({ status: 14, message: 'etcdserver: request timed out' });
    expect(notes.heard).toEqual(['GONE']);
    notes.call = undefined;
    const other = await begun({ 'grpc-timeout': '500m' });
    other.close(constants.NGHTTP2_CANCEL);
    await heard('GONE', 'END', 'GONE'); // This client says that it ends before it breaks off.
    expect(clock.pendingCount).toBe(ofConnection);
    expect(await answerOf(client.begin(path, { 'grpc-timeout': 'soon' }))).toMatchObject({
      status: 13,
    });
  });

  it('comes with the end of the door', async () => {
    const answer = answerOf(await begun());
    const reason = new HoldfastError('shutting-down', 'this member is stopping');
    for (const end of [...context.streams]) end(reason);
    expect(await answer).toMatchObject({ status: 14, message: 'etcdserver: server stopped' });
    expect(notes.heard).toEqual(['GONE']);
    expect(context.streams.size).toBe(0);
  });

  it('at once drops what was not read, and the client finds it broken', async () => {
    const stream = await begun();
    stream.pause();
    while (notes.call?.send(frame('x'.repeat(100_000))));
    const status = new GrpcStatus(statusCodes.unavailable, 'its room was needed');
    const closed = new Promise((resolve) => stream.once('close', resolve));
    notes.call?.end(status, true);
    expect(notes.heard).toEqual(['GONE']);
    stream.resume();
    await closed;
    expect(stream.rstCode).toBe(constants.NGHTTP2_INTERNAL_ERROR);
  });
});
