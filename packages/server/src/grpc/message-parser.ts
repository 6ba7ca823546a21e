// Messages of gRPC out of the body of a call, each behind five bytes: whether it is compressed, and
// its length. No more than one message is held, and one that came in one piece is not copied.
import { GrpcStatus, statusCodes } from './status.ts';

export const messageHeadBytes = 5;

export class MessageParser {
  readonly #bytesMax: number;
  /** Parts of a message that is not whole, joined once it is. */
  #parts: Uint8Array[] = [];
  #heldBytes = 0;
  /** Bytes with which it can be gone on. */
  #neededBytes = messageHeadBytes;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  /** A message has begun and is not whole. */
  get isWithin(): boolean {
    return this.#heldBytes > 0;
  }

  /** Throws a GrpcStatus, after which nothing more may be pushed. */
  push(part: Uint8Array, onMessage: (message: Uint8Array) => void): void {
    this.#parts.push(part);
    this.#heldBytes += part.length;
    if (this.#heldBytes < this.#neededBytes) return;
    const bytes = this.#parts.length === 1 ? part : Buffer.concat(this.#parts);
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
    this.#heldBytes = bytes.length - at;
    this.#parts = this.#heldBytes > 0 ? [bytes.subarray(at)] : [];
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
