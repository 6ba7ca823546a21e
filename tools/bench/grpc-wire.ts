// gRPC over HTTP/2 by hand, for etcd and for Holdfast alike: the status of every call is read, and
// that a value came with every read.
import { frameTypes } from '@holdfast/server/http2/frame';
import { FrameReader } from '@holdfast/server/http2/frame-reader';

import { decodeStatus, isEnd, messageHeadBytes } from './grpc-call.ts';
import { GrpcWriter, numberOf } from './grpc-writer.ts';
import { Http2Control } from './http2-control.ts';
import { isRead } from './load-plan.ts';
import type { OnAnswer, Wire, WireOptions } from './wire.ts';

/** Statuses that are told beside those of HTTP: a call that failed, by the code of gRPC. */
const grpcStatusesFrom = 900;
const [good, notFound, reset] = [200, 404, 600];

export class GrpcWire implements Wire {
  readonly opening = Http2Control.opening;
  readonly #writer: GrpcWriter;
  readonly #reader = new FrameReader();
  readonly #control: Http2Control;
  readonly #reply: (bytes: Buffer) => void;
  readonly #onAnswer: OnAnswer;
  /** Bytes of the answer of each call under way, as a ring by their numbers. */
  readonly #answerBytes: Uint32Array;
  readonly #answerBytesMin: number;
  /** Calls for which the peer has given no room yet. */
  #waiting = 0;
  /** A block that said that a call went well: all that are the same say the same. */
  #goodEnd = Buffer.alloc(0);

  constructor({ plan, endpoint, firstKey, ringSize, reply, onAnswer }: WireOptions) {
    this.#writer = new GrpcWriter(plan, endpoint, firstKey);
    this.#control = new Http2Control(reply);
    this.#reply = reply;
    this.#onAnswer = onAnswer;
    this.#answerBytes = new Uint32Array(ringSize);
    this.#answerBytesMin = messageHeadBytes + (isRead(plan.kind) ? plan.valueBytes : 0);
  }

  take(count: number): Buffer {
    const control = this.#control;
    const { dataBytes } = this.#writer;
    if (dataBytes > control.streamSendWindow) throw new Error('the peer takes no such request');
    const room = Math.floor(control.sendWindow / dataBytes);
    const taken = this.#waiting > 0 ? 0 : Math.min(count, Math.max(0, room));
    this.#waiting += count - taken;
    control.sendWindow -= taken * dataBytes;
    return this.#writer.take(taken);
  }

  push(part: Buffer): void {
    const reader = this.#reader;
    reader.push(part);
    while (reader.next()) this.#heed(reader);
    if (this.#waiting === 0) return;
    const waited = this.#waiting;
    this.#waiting = 0;
    this.#reply(this.take(waited));
  }

  #heed(frame: FrameReader): void {
    const { type, stream, lo, hi } = frame;
    if (type === frameTypes.data) {
      this.#control.received(hi - lo);
      this.#count(numberOf(stream), hi - lo);
    } else if (type === frameTypes.headers) {
      if (isEnd(frame)) this.#end(frame);
    } else if (type === frameTypes.resetStream) {
      this.#answer(numberOf(stream), reset + frame.bytes.readUInt32BE(lo));
    } else {
      this.#control.heed(frame);
    }
  }

  #count(number: number, bytes: number): void {
    const slot = number % this.#answerBytes.length;
    this.#answerBytes[slot] = (this.#answerBytes[slot] as number) + bytes;
  }

  #end(frame: FrameReader): void {
    const number = numberOf(frame.stream);
    const block = frame.bytes.subarray(frame.lo, frame.hi);
    const isKnown = this.#goodEnd.length === block.length && this.#goodEnd.equals(block);
    const code = isKnown ? 0 : decodeStatus(block);
    if (code !== 0) return this.#answer(number, grpcStatusesFrom + code);
    if (!isKnown) this.#goodEnd = Buffer.from(block);
    const bytes = this.#answerBytes[number % this.#answerBytes.length] as number;
    this.#answer(number, bytes < this.#answerBytesMin ? notFound : good);
  }

  #answer(number: number, status: number): void {
    this.#answerBytes[number % this.#answerBytes.length] = 0;
    this.#onAnswer(number, status);
  }
}
