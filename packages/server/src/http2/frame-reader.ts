// The frames in what a connection brings, where they lie. Only a frame that two reads brought is
// put together, in a buffer of its own: the rest of a read would else keep all of it.
import {
  errorCodes,
  frameBytesAtFirst,
  frameFlags,
  frameHeadBytes,
  frameTypes,
  Http2Error,
} from './frame.ts';

const nothing: Buffer = Buffer.alloc(0);
const priorityBytes = 5;

/**
 * A cursor: after `next` said true, its fields tell the frame, whose payload is [lo, hi) of `bytes`
 * until the next push. No object is made for a frame.
 */
export class FrameReader {
  type = 0;
  flags = 0;
  stream = 0;
  bytes: Buffer = nothing;
  lo = 0;
  hi = 0;
  /** Of the payload as it came, with what pads it: what counts for windows. */
  wholeBytes = 0;
  /** Where the next frame begins. */
  #at = 0;
  /** The beginning of a frame that is not whole, and how much of it there is. */
  #part: Buffer = nothing;
  #partBytes = 0;
  /** What came behind the frame that was put together. */
  #behind: Buffer | undefined;

  push(chunk: Buffer): void {
    this.#at = 0;
    if (this.#partBytes === 0) this.bytes = chunk;
    else this.#complete(chunk);
  }

  /**
   * False: no whole frame is left, and what is left is kept. Throws on frames that are longer than
   * may be, or padded with more than they have.
   */
  next(): boolean {
    for (;;) {
      if (this.#read()) return true;
      if (!this.#behind) break;
      const chunk = this.#behind;
      this.#behind = undefined;
      this.push(chunk);
    }
    this.#keep();
    return false;
  }

  #read(): boolean {
    const { bytes } = this;
    const at = this.#at;
    if (bytes.length - at < frameHeadBytes) return false;
    const length = lengthAt(bytes, at);
    const hi = at + frameHeadBytes + length;
    if (hi > bytes.length) return false;
    this.type = bytes[at + 3] as number;
    this.flags = bytes[at + 4] as number;
    this.stream = bytes.readInt32BE(at + 5) & 0x7fff_ffff;
    this.lo = at + frameHeadBytes;
    this.hi = hi;
    this.wholeBytes = length;
    this.#at = hi;
    if (this.flags & (frameFlags.padded | frameFlags.priority)) this.#trim();
    return true;
  }

  /** Leaves out padding and priority (sections 6.1 and 6.2). */
  #trim(): void {
    const isHeaders = this.type === frameTypes.headers;
    if (!isHeaders && this.type !== frameTypes.data) return;
    if (this.flags & frameFlags.padded) {
      if (this.lo === this.hi) throw tooShort();
      this.hi -= this.bytes[this.lo] as number;
      this.lo += 1;
    }
    if (isHeaders && this.flags & frameFlags.priority) this.lo += priorityBytes;
    if (this.lo <= this.hi) return;
    if (this.flags & frameFlags.padded) {
      throw new Http2Error(errorCodes.protocolError, 'a frame with more padding than bytes');
    }
    throw tooShort();
  }

  /** As much of the chunk as the frame that has begun lacks; the chunk goes on behind it. */
  #complete(chunk: Buffer): void {
    let taken = 0;
    if (this.#partBytes < frameHeadBytes) {
      taken = this.#append(chunk, 0, frameHeadBytes);
      if (this.#partBytes < frameHeadBytes) return this.#wait();
      const part = Buffer.allocUnsafeSlow(frameHeadBytes + lengthAt(this.#part, 0));
      this.#part.copy(part, 0, 0, frameHeadBytes);
      this.#part = part;
    }
    taken = this.#append(chunk, taken, this.#part.length);
    if (this.#partBytes < this.#part.length) return this.#wait();
    this.bytes = this.#part;
    this.#part = nothing;
    this.#partBytes = 0;
    if (taken < chunk.length) this.#behind = chunk.subarray(taken);
  }

  #wait(): void {
    this.bytes = nothing;
  }

  /** Up to so many bytes in all. Answers where the chunk goes on. */
  #append(chunk: Buffer, from: number, upTo: number): number {
    const to = Math.min(chunk.length, from + upTo - this.#partBytes);
    chunk.copy(this.#part, this.#partBytes, from, to);
    this.#partBytes += to - from;
    return to;
  }

  #keep(): void {
    const { bytes } = this;
    const left = bytes.length - this.#at;
    this.bytes = nothing;
    if (left === 0) return;
    const whole =
      left < frameHeadBytes ? frameHeadBytes : frameHeadBytes + lengthAt(bytes, this.#at);
    this.#part = Buffer.allocUnsafeSlow(whole);
    bytes.copy(this.#part, 0, this.#at);
    this.#partBytes = left;
    this.#at = 0;
  }
}

/** Of the payload. Throws where it is longer than we allow. */
function lengthAt(bytes: Buffer, at: number): number {
  const length = bytes.readUIntBE(at, 3);
  if (length <= frameBytesAtFirst) return length;
  throw new Http2Error(errorCodes.frameSizeError, `a frame of ${length} bytes`);
}

const tooShort = (): Http2Error =>
  new Http2Error(errorCodes.frameSizeError, 'a frame that is too short for what it says');
