// One connection of a crowd of watchers: HTTP/2 by hand (RFC 9113), a few streams of etcd's Watch
// with a few watchers each, and what each of them was told. It can stop reading its socket, as a
// client does that hangs.
import type { Socket } from 'node:net';

import { WatchCreateRequest, WatchRequest, WatchResponse } from '@holdfast/proto/etcd';
import {
  frameFlags,
  frameOf,
  frameTypes,
  numberFrame,
  preface,
  settingsFrame,
} from '@holdfast/server/http2/frame';
import { FrameReader } from '@holdfast/server/http2/frame-reader';

import { headersFrame, isEnd, messageFrame, messageHeadBytes } from '../bench/grpc-call.ts';
import { requestHeads } from '../bench/hpack.ts';
import { openSocket } from '../bench/open-socket.ts';

/** A watcher of one key, and all that it was told. */
export type Told = {
  readonly key: string;
  /** It is owed everything after this revision. */
  startedAt: number;
  readonly revisions: number[];
  /** Its stream or its connection has ended, or it was cancelled. */
  isOver: boolean;
};

const path = '/etcdserverpb.Watch/Watch';
const noBytes = Buffer.alloc(0);
/** Room is given back when so much was read, as of a client that keeps to the windows at first. */
const windowStepBytes = 16 * 1024;

export class WatchConnection {
  readonly watchers: Told[] = [];
  readonly #socket: Socket;
  readonly #streams = new Map<number, WatchedStream>();
  readonly #reader = new FrameReader();
  #unreturned = 0;

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on('data', (part: Buffer) => this.#take(part));
    socket.on('error', () => undefined); // Its close follows.
    socket.once('close', () => endAll(this.watchers));
  }

  /** A stream for each list of keys, and a watcher for each key. */
  static async open(
    endpoint: string,
    streams: readonly (readonly string[])[],
  ): Promise<WatchConnection> {
    const socket = await openSocket(endpoint);
    const connection = new WatchConnection(socket);
    const heads = requestHeads({ path, authority: endpoint });
    const frames: Uint8Array[] = [preface, settingsFrame([])];
    for (const [at, keys] of streams.entries()) {
      const stream = at * 2 + 1;
      const watchers = keys.map(
        (key): Told => ({ key, startedAt: 0, revisions: [], isOver: false }),
      );
      connection.watchers.push(...watchers);
      connection.#streams.set(stream, new WatchedStream(watchers));
      frames.push(headersFrame(at === 0 ? heads.first : heads.next, stream));
      frames.push(...keys.map((key) => messageFrame(createOf(key), { stream, isLast: false })));
    }
    socket.write(Buffer.concat(frames));
    return connection;
  }

  /** All its watchers were created. */
  get isOpen(): boolean {
    return this.watchers.every(({ startedAt, isOver }) => startedAt > 0 || isOver);
  }

  get isStuck(): boolean {
    return this.#socket.isPaused();
  }

  /** From now on nothing is read, and what fits nowhere on the way stays with the member. */
  stopReading(): void {
    this.#socket.pause();
  }

  readOn(): void {
    this.#socket.resume();
  }

  close(): void {
    this.#socket.destroy();
  }

  #take(part: Buffer): void {
    const replies: Uint8Array[] = [];
    this.#reader.push(part);
    while (this.#reader.next()) this.#heed(this.#reader, replies);
    if (replies.length > 0) this.#socket.write(Buffer.concat(replies));
  }

  #heed(frame: FrameReader, replies: Uint8Array[]): void {
    const { type, stream, bytes, lo, hi } = frame;
    const isAck = (frame.flags & frameFlags.ack) !== 0;
    const ack = { type, flags: frameFlags.ack, stream: 0 };
    if (type === frameTypes.data) this.#heedData(stream, bytes.subarray(lo, hi), replies);
    else if (type === frameTypes.settings && !isAck) replies.push(frameOf(ack));
    else if (type === frameTypes.ping && !isAck) {
      replies.push(frameOf(ack, bytes.subarray(lo, hi)));
    } else if (type === frameTypes.resetStream || (type === frameTypes.headers && isEnd(frame))) {
      endAll(this.#streams.get(stream)?.watchers);
    }
  }

  #heedData(id: number, payload: Buffer, replies: Uint8Array[]): void {
    const stream = this.#streams.get(id);
    if (!stream) return;
    stream.take(payload);
    this.#unreturned += payload.length;
    if (this.#unreturned >= windowStepBytes) {
      replies.push(numberFrame(frameTypes.windowUpdate, 0, this.#unreturned));
      this.#unreturned = 0;
    }
    const read = stream.takeRead();
    if (read > 0) replies.push(numberFrame(frameTypes.windowUpdate, id, read));
  }
}

/** What comes in one stream, whose watchers are numbered in the order of their making. */
class WatchedStream {
  readonly watchers: readonly Told[];
  #rest: Buffer = noBytes;
  #read = 0;

  constructor(watchers: readonly Told[]) {
    this.watchers = watchers;
  }

  take(payload: Buffer): void {
    this.#read += payload.length;
    let bytes = this.#rest.length === 0 ? payload : Buffer.concat([this.#rest, payload]);
    while (bytes.length >= messageHeadBytes) {
      const end = messageHeadBytes + bytes.readUInt32BE(1);
      if (bytes.length < end) break;
      this.#note(WatchResponse.decode(bytes.subarray(messageHeadBytes, end)));
      bytes = bytes.subarray(end);
    }
    this.#rest = bytes;
  }

  /** Bytes that were read since the last time, once it is worth a word. */
  takeRead(): number {
    if (this.#read < windowStepBytes) return 0;
    const read = this.#read;
    this.#read = 0;
    return read;
  }

  #note({ watchId, created, canceled, header, events }: WatchResponse): void {
    const told = this.watchers[Number(watchId)];
    if (!told) throw new Error(`there is no watcher ${watchId}`);
    if (canceled) told.isOver = true;
    if (created) told.startedAt = header?.revision ?? 0;
    for (const { kv } of events) told.revisions.push(kv?.modRevision ?? 0);
  }
}

function endAll(watchers: readonly Told[] = []): void {
  for (const told of watchers) told.isOver = true;
}

function createOf(key: string): Uint8Array {
  const value = { ...WatchCreateRequest.decode(noBytes), key: Buffer.from(key) };
  return WatchRequest.encode({ requestUnion: { $case: 'createRequest', value } }).finish();
}
