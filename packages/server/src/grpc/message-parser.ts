// Messages of gRPC out of the body of a call, each behind five bytes: whether it is compressed, and
// its length. No more than one message is held, and one that came in one piece is not copied.
import { GrpcStatus, statusCodes } from './status.ts';

export const messageHeadBytes = 5;

/** Counts what is kept of a message that is not whole. */
export type Holder = {
  /** Below zero gives back. False: so much may not be held. */
  readonly hold: (bytes: number) => boolean;
};

const boundless: Holder = { hold: () => true };
const nothing = new Uint8Array(0);

/** As much as one frame of HTTP/2 brings: most messages need one buffer of their own, or none. */
const bufferBytesMin = 16 * 1024;

export class MessageParser {
  readonly #bytesMax: number;
  readonly #holder: Holder;
  /**
   * The beginning of a message, copied: a part of a few bytes would else keep all that came in one
   * read with it, for as long as the rest lets wait.
   */
  #buffer: Uint8Array = nothing;
  #heldBytes = 0;
  /** Bytes with which it can be gone on. */
  #neededBytes = messageHeadBytes;

  constructor(bytesMax: number, holder: Holder = boundless) {
    this.#bytesMax = bytesMax;
    this.#holder = holder;
  }

  /** A message has begun and is not whole. */
  get isWithin(): boolean {
    return this.#heldBytes > 0;
  }

  /** Throws a GrpcStatus, after which nothing more may be pushed. */
  push(part: Uint8Array, onMessage: (message: Uint8Array) => void): void {
    if (this.#heldBytes === 0) {
      this.#keep(part, this.#parse(part, onMessage));
      return;
    }
    this.#append(part);
    if (this.#heldBytes < this.#neededBytes) return;
    const bytes = this.#buffer.subarray(0, this.#heldBytes);
    this.#release();
    this.#keep(bytes, this.#parse(bytes, onMessage));
  }

  /** Answers where what is not whole begins. */
  #parse(bytes: Uint8Array, onMessage: (message: Uint8Array) => void): number {
    let at = 0;
    this.#neededBytes = messageHeadBytes;
    while (bytes.length - at >= messageHeadBytes) {
      const whole = messageHeadBytes + this.#lengthAt(bytes, at);
      if (at + whole > bytes.length) {
        this.#neededBytes = whole;
        break;
      }
      onMessage(bytes.subarray(at + messageHeadBytes, at + whole));
      at += whole;
    }
    return at;
  }

  #keep(bytes: Uint8Array, from: number): void {
    if (from < bytes.length) this.#append(bytes.subarray(from));
  }

  #append(part: Uint8Array): void {
    const length = this.#heldBytes + part.length;
    if (length > this.#buffer.length) this.#grow(length);
    this.#buffer.set(part, this.#heldBytes);
    this.#heldBytes = length;
  }

  /** Twice as much each time, so that nobody has more held than twice what was sent. */
  #grow(length: number): void {
    const most = Math.max(this.#neededBytes, length);
    const bytes = Math.min(most, Math.max(2 * length, bufferBytesMin));
    if (!this.#holder.hold(bytes - this.#buffer.length)) throw tooMuch();
    const grown = new Uint8Array(bytes);
    grown.set(this.#buffer.subarray(0, this.#heldBytes));
    this.#buffer = grown;
  }

  #release(): void {
    this.#holder.hold(-this.#buffer.length);
    this.#buffer = nothing;
    this.#heldBytes = 0;
  }

  #lengthAt(bytes: Uint8Array, at: number): number {
    if (bytes[at] !== 0) {
      const text = 'grpc: compressed messages are not taken here (grpc-encoding: identity is)';
      throw new GrpcStatus(statusCodes.unimplemented, text);
    }
    const length = new DataView(bytes.buffer, bytes.byteOffset + at + 1, 4).getUint32(0);
    if (length > this.#bytesMax) {
      const text = `grpc: received message larger than max (${length} vs. ${this.#bytesMax})`;
      throw new GrpcStatus(statusCodes.resourceExhausted, text);
    }
    return length;
  }
}

export const tooMuch = (): GrpcStatus =>
  new GrpcStatus(
    statusCodes.resourceExhausted,
    'grpc: too many bytes of messages are held here: wait for the answers to those that were sent',
  );
