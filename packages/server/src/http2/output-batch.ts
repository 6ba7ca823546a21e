// What leaves a connection in one write: heads of frames and short messages side by side in a block
// that all connections share, long messages as they lie between them.
import type { Socket } from 'node:net';

import { frameFlags, frameHeadBytes, frameTypes, writeUint32 } from './frame.ts';

const blockBytes = 64 * 1024;
/** Of a batch: what is copied, and what travels as it lies. */
const copiedBytesMax = 16 * 1024;
const lyingBytesMax = 64 * 1024;
/** Shorter parts of messages are copied: that is less than a part of its own costs. */
const copyBytesMax = 4 * 1024;
/** What may go beyond `copiedBytesMax` once it is not reached: a head, a message and an end. */
const slackBytes = 16 * 1024;

/** The type of a frame, and its flags. */
const dataKind = frameTypes.data << 8;
const headersKind = (frameTypes.headers << 8) | frameFlags.endHeaders;
const lastHeadersKind = headersKind | frameFlags.endStream;

/** Where the next bytes go; those before it may still be on their way. */
let block = Buffer.allocUnsafeSlow(blockBytes);
let free = 0;

/** One at a time is filled, and sent before the next one is begun. */
export class OutputBatch {
  /** Of answers to calls, so far. */
  callFrames = 0;
  /** Of what is copied and not a part yet. */
  #from = 0;
  #at = 0;
  #start = 0;
  #lyingBytes = 0;
  #parts: Uint8Array[] = [];

  begin(): void {
    if (blockBytes - free < copiedBytesMax + slackBytes) {
      block = Buffer.allocUnsafeSlow(blockBytes);
      free = 0;
    }
    this.#start = free;
    this.#from = free;
    this.#at = free;
    this.#lyingBytes = 0;
    this.callFrames = 0;
  }

  get isFull(): boolean {
    return this.#at - this.#start >= copiedBytesMax || this.#lyingBytes >= lyingBytesMax;
  }

  /** A frame as it is, of `slackBytes` at the most. */
  frame(bytes: Uint8Array): void {
    block.set(bytes, this.#at);
    this.#at += bytes.length;
  }

  /** A block of headers, which has to fit a frame. */
  headers(stream: number, headers: Uint8Array, isLast: boolean): void {
    this.#head(stream, headers.length, isLast ? lastHeadersKind : headersKind);
    this.frame(headers);
  }

  /** A message, or as much of it as has room. */
  data(stream: number, part: Uint8Array): void {
    this.#head(stream, part.length, dataKind);
    if (part.length <= copyBytesMax) return this.frame(part);
    this.#cut();
    this.#parts.push(part);
    this.#lyingBytes += part.length;
  }

  send(socket: Socket): void {
    this.#cut();
    const parts = this.#parts;
    this.#parts = [];
    if (parts.length === 1) socket.write(parts[0] as Uint8Array);
    else if (parts.length > 1) writeAll(socket, parts);
    // What the kernel has taken whole leaves its place to the next batch.
    free = socket.writableLength === 0 ? this.#start : this.#at;
  }

  #cut(): void {
    if (this.#at > this.#from) this.#parts.push(block.subarray(this.#from, this.#at));
    this.#from = this.#at;
  }

  #head(stream: number, length: number, kind: number): void {
    const at = this.#at;
    block[at] = length >>> 16;
    block[at + 1] = length >>> 8;
    block[at + 2] = length;
    block[at + 3] = kind >>> 8;
    block[at + 4] = kind;
    writeUint32(block, at + 5, stream);
    this.#at = at + frameHeadBytes;
    this.callFrames += 1;
  }
}

function writeAll(socket: Socket, parts: readonly Uint8Array[]): void {
  socket.cork();
  for (const part of parts) socket.write(part);
  socket.uncork();
}
