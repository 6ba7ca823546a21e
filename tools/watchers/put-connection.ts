// One connection for puts of etcd's API: HTTP/2 by hand (RFC 9113). Little is made anew for a put,
// so that the collector of the process that measures keeps next to none of them waiting.
import type { Socket } from 'node:net';

import { PutRequest, PutResponse } from '@holdfast/proto/etcd';
import { frameTypes } from '@holdfast/server/http2/frame';
import { FrameReader } from '@holdfast/server/http2/frame-reader';

import {
  decodeStatus,
  headersFrame,
  isEnd,
  messageFrame,
  messageHeadBytes,
} from '../bench/grpc-call.ts';
import { requestHeads } from '../bench/hpack.ts';
import { Http2Control } from '../bench/http2-control.ts';
import { openSocket } from '../bench/open-socket.ts';

const path = '/etcdserverpb.KV/Put';
const noBytes = new Uint8Array(0);
const emptyPut = PutRequest.decode(noBytes);

type Call = {
  readonly resolve: (revision: number) => void;
  readonly reject: (error: unknown) => void;
  revision: number;
};

export class PutConnection {
  readonly #socket: Socket;
  readonly #heads: ReturnType<typeof requestHeads>;
  readonly #control: Http2Control;
  readonly #reader = new FrameReader();
  readonly #calls = new Map<number, Call>();
  #nextStream = 1;

  private constructor(socket: Socket, endpoint: string) {
    this.#socket = socket;
    this.#heads = requestHeads({ path, authority: endpoint });
    this.#control = new Http2Control((bytes) => void socket.write(bytes));
    socket.on('data', (part: Buffer) => this.#take(part));
    socket.on('error', () => undefined); // Its close follows.
    socket.once('close', () => this.#endAll());
    socket.write(Http2Control.opening);
  }

  static async open(endpoint: string): Promise<PutConnection> {
    return new PutConnection(await openSocket(endpoint), endpoint);
  }

  /** Answers the revision; throws where the put was refused or its answer got lost. */
  put(key: Uint8Array, value: Uint8Array): Promise<number> {
    const stream = this.#nextStream;
    this.#nextStream += 2;
    const head = stream === 1 ? this.#heads.first : this.#heads.next;
    const message = PutRequest.encode({ ...emptyPut, key, value }).finish();
    return new Promise((resolve, reject) => {
      if (this.#socket.destroyed) return reject(new Error('the connection has ended'));
      const bytes = messageHeadBytes + message.length;
      if (bytes > this.#control.sendWindow) return reject(new Error('the member gives no room'));
      this.#control.sendWindow -= bytes;
      this.#calls.set(stream, { resolve, reject, revision: 0 });
      const data = messageFrame(message, { stream, isLast: true });
      this.#socket.write(Buffer.concat([headersFrame(head, stream), data]));
    });
  }

  close(): void {
    this.#socket.destroy();
  }

  #take(part: Buffer): void {
    this.#reader.push(part);
    while (this.#reader.next()) this.#heed(this.#reader);
  }

  #heed(frame: FrameReader): void {
    const { type, stream, bytes, lo, hi } = frame;
    const call = this.#calls.get(stream);
    if (type === frameTypes.data) {
      this.#control.received(hi - lo);
      // An answer to a put is so short that it comes in one frame.
      const { header } = PutResponse.decode(bytes.subarray(lo + messageHeadBytes, hi));
      if (call) call.revision = header?.revision ?? 0;
    } else if (type === frameTypes.headers) {
      if (isEnd(frame)) this.#end(stream, decodeStatus(bytes.subarray(lo, hi)));
    } else if (type === frameTypes.resetStream) {
      this.#end(stream, `reset: ${bytes.readUInt32BE(lo)}`);
    } else {
      this.#control.heed(frame);
    }
  }

  #end(stream: number, status: number | string): void {
    const call = this.#calls.get(stream);
    this.#calls.delete(stream);
    if (status === 0) call?.resolve(call.revision);
    else call?.reject(new Error(`a put ended with status ${status}`));
  }

  #endAll(): void {
    for (const { reject } of this.#calls.values()) reject(new Error('the connection has ended'));
    this.#calls.clear();
  }
}
