// Watchers by etcd's protocol: each is a call of its own, as of a client of its own.
import { connect, type Socket } from 'node:net';

import { WatchCreateRequest, WatchRequest, WatchResponse } from '@holdfast/proto/etcd';
import { frameTypes } from '@holdfast/server/http2/frame';
import { FrameReader } from '@holdfast/server/http2/frame-reader';

import { decodeStatus, headersFrame, isEnd, messageFrame, messageHeadBytes } from '../grpc-call.ts';
import { requestHeads } from '../hpack.ts';
import { Http2Control } from '../http2-control.ts';
import { NotServed, type WatchConnection, type WatchOptions } from './watch-connection.ts';

const path = '/etcdserverpb.Watch/Watch';
const unimplemented = 12;
const noBytes = Buffer.alloc(0);

export class GrpcWatch implements WatchConnection {
  readonly opened: Promise<void>;
  readonly #options: WatchOptions;
  readonly #socket: Socket;
  readonly #reader = new FrameReader();
  readonly #control: Http2Control;
  /** What has come of a message that is not whole, by its stream. */
  readonly #parts = new Map<number, Buffer>();
  #unopened: number;
  #onOpened: () => void = () => undefined;
  #onFailed: (error: unknown) => void = () => undefined;

  constructor(options: WatchOptions, key: string) {
    const [host, port] = options.endpoint.split(':') as [string, string];
    this.#options = options;
    this.#unopened = options.watchers;
    this.#socket = connect({ host, port: Number(port), noDelay: true });
    this.#control = new Http2Control((bytes) => void this.#socket.write(bytes));
    this.opened = new Promise((resolve, reject) => {
      this.#onOpened = resolve;
      this.#onFailed = reject;
    });
    this.#socket.on('data', (part: Buffer) => this.#receive(part));
    this.#socket.on('error', (error) => this.#onFailed(error));
    this.#socket.on('close', () => this.#onFailed(new Error(`${options.endpoint} closed`)));
    this.#socket.write(Buffer.concat([Http2Control.opening, ...this.#calls(key)]));
  }

  close(): void {
    this.#socket.destroy();
  }

  #calls(key: string): readonly Buffer[] {
    const { endpoint, watchers } = this.#options;
    const heads = requestHeads({ path, authority: endpoint });
    const value = { ...WatchCreateRequest.decode(noBytes), key: Buffer.from(key) };
    const requestUnion = { $case: 'createRequest', value } as const;
    const message = WatchRequest.encode({ requestUnion }).finish();
    return Array.from({ length: watchers }, (_, at) => {
      const stream = at * 2 + 1;
      const head = headersFrame(at === 0 ? heads.first : heads.next, stream);
      return Buffer.concat([head, messageFrame(message, { stream, isLast: false })]);
    });
  }

  #receive(part: Buffer): void {
    try {
      this.#reader.push(part);
      while (this.#reader.next()) this.#heed(this.#reader);
    } catch (error) {
      this.#onFailed(error);
    }
  }

  #heed(frame: FrameReader): void {
    const { type, stream, bytes, lo, hi } = frame;
    if (type === frameTypes.data) {
      this.#control.received(hi - lo);
      this.#take(stream, bytes.subarray(lo, hi));
    } else if (type === frameTypes.headers) {
      if (isEnd(frame)) throw endOf(decodeStatus(bytes.subarray(lo, hi)));
    } else if (type === frameTypes.resetStream) {
      throw new Error(`a watch was reset: code ${bytes.readUInt32BE(lo)}`);
    } else {
      this.#control.heed(frame);
    }
  }

  #take(stream: number, part: Buffer): void {
    const held = this.#parts.get(stream);
    let bytes = held ? Buffer.concat([held, part]) : part;
    while (bytes.length >= messageHeadBytes) {
      const end = messageHeadBytes + bytes.readUInt32BE(1);
      if (bytes.length < end) break;
      this.#told(WatchResponse.decode(bytes.subarray(messageHeadBytes, end)));
      bytes = bytes.subarray(end);
    }
    if (bytes.length > 0) this.#parts.set(stream, bytes);
    else if (held) this.#parts.delete(stream);
  }

  #told({ created, canceled, cancelReason, events }: WatchResponse): void {
    if (canceled) throw new Error(`a watch was cancelled: ${cancelReason}`);
    if (created) {
      this.#unopened -= 1;
      if (this.#unopened === 0) this.#onOpened();
    }
    for (const _event of events) this.#options.onEvent();
  }
}

const endOf = (code: number): Error =>
  code === unimplemented ? new NotServed() : new Error(`a watch ended with code ${code}`);
