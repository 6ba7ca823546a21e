// Hand-made calls of gRPC, as request-writer.ts makes requests of HTTP: a call is a HEADERS and a
// DATA frame, copied from one template with another stream and key each.
import { PutRequest, RangeRequest } from '@holdfast/proto/etcd';
import { frameHeadBytes } from '@holdfast/server/http2/frame';

import { headersFrame, messageFrame, messageHeadBytes } from './grpc-call.ts';
import { requestHeads } from './hpack.ts';
import { KeySequence, keyDigits } from './key-sequence.ts';
import { isRead } from './load-plan.ts';
import type { WirePlan } from './wire.ts';

/** Of the stream's number in the head of a frame. */
const streamAt = 5;
/** Streams of clients have odd numbers below it. */
const streamPast = 2 ** 31;

export class GrpcWriter {
  /** Bytes of a call that count against the windows. */
  readonly dataBytes: number;
  readonly #first: Buffer;
  readonly #next: Buffer;
  readonly #digitsAt: number;
  readonly #keys: KeySequence;
  #nextStream = 1;

  constructor(plan: WirePlan, authority: string, firstKey: number) {
    const placeholder = '#'.repeat(keyDigits);
    const { path, message } = callOf(plan, Buffer.from(`bench-${placeholder}`));
    const heads = requestHeads({ path, authority });
    const data = messageFrame(message, { stream: 0, isLast: true });
    this.dataBytes = messageHeadBytes + message.length;
    this.#first = Buffer.concat([headersFrame(heads.first, 0), data]);
    this.#next = Buffer.concat([headersFrame(heads.next, 0), data]);
    this.#digitsAt = data.indexOf(placeholder);
    this.#keys = new KeySequence(plan.keys, firstKey);
  }

  /** `count` calls as one piece of bytes, each on the next stream. */
  take(count: number): Buffer {
    const isFirst = this.#nextStream === 1 && count > 0;
    const size = this.#next.length;
    const firstBytes = isFirst ? this.#first.length : 0;
    const bytes = Buffer.allocUnsafe(firstBytes + size * (isFirst ? count - 1 : count));
    if (isFirst) this.#write(this.#first, bytes, 0);
    for (let at = firstBytes; at < bytes.length; at += size) this.#write(this.#next, bytes, at);
    return bytes;
  }

  #write(template: Buffer, bytes: Buffer, at: number): void {
    const stream = this.#nextStream;
    // That many calls take hours; each round of a bench has connections of its own.
    if (stream >= streamPast) throw new RangeError('a connection has no more streams');
    this.#nextStream = stream + 2;
    template.copy(bytes, at);
    const dataAt = at + template.length - this.dataBytes - frameHeadBytes;
    writeStream(bytes, at + streamAt, stream);
    writeStream(bytes, dataAt + streamAt, stream);
    this.#keys.write(bytes, dataAt + this.#digitsAt);
  }
}

/** Of a call, counted from zero. */
export const numberOf = (stream: number): number => (stream - 1) / 2;

function writeStream(bytes: Buffer, at: number, stream: number): void {
  bytes[at] = stream >>> 24;
  bytes[at + 1] = stream >>> 16;
  bytes[at + 2] = stream >>> 8;
  bytes[at + 3] = stream;
}

function callOf({ kind, valueBytes }: WirePlan, key: Uint8Array) {
  const empty = new Uint8Array(0);
  if (isRead(kind)) {
    const serializable = kind === 'get-stale';
    const request = { ...RangeRequest.decode(empty), key, serializable };
    return { path: '/etcdserverpb.KV/Range', message: RangeRequest.encode(request).finish() };
  }
  const value = new Uint8Array(valueBytes).fill(118);
  const request = { ...PutRequest.decode(empty), key, value };
  return { path: '/etcdserverpb.KV/Put', message: PutRequest.encode(request).finish() };
}
