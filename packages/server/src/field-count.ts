// A look at how many parts a message has, before any of them is decoded: one of the largest size
// may be made of millions, two bytes each, and each costs fifty times its bytes as an object. Only
// what is long is looked at, and values are stepped over, so that the usual message costs nothing.
import { HoldfastError } from '@holdfast/base/errors';

/** The shortest part: a tag, and a number or a length of zero. */
const fieldBytesMin = 2;
/**
 * Of one message with all that stands in it: it decodes within some 50 ms. They are 16 for each of
 * as many requests as a client may have under way, and more than stands in a transaction of 64 that
 * have three lists of 64 operations each (128 are the most at both levels together).
 */
export const fieldsMax = 64 * 1024;
/** Transactions nest eight deep, two messages each, in a request of a frame. */
const depthMax = 32;

/** The fields of a message that are messages themselves; nothing is looked at in the others. */
export type MessageShape = { readonly parts: Map<number, MessageShape> };

export const flat: MessageShape = { parts: new Map() };

export const shapeOf = (...parts: readonly (readonly [number, MessageShape])[]): MessageShape => ({
  parts: new Map(parts),
});

const operation = shapeOf([1, flat], [2, flat], [3, flat]);
/** Of `TxnRequest`, of our own and of etcd's alike. */
export const txnShape = shapeOf([1, flat], [2, operation], [3, operation]);
operation.parts.set(4, txnShape);

/** Throws `corrupt` where the message has more than `max` fields at its top, or far too many. */
export function requireFewParts(
  message: Uint8Array,
  shape: MessageShape,
  { max, what }: { readonly max: number; readonly what: string },
): void {
  // Nothing to count in the usual, small frame.
  if (message.length <= max * fieldBytesMin) return;
  if (!new FieldCount(message, max).within(flat)) {
    throw new HoldfastError('corrupt', `more than ${max} ${what} in one frame`);
  }
  if (hasTooManyFields(message, shape)) {
    throw new HoldfastError('corrupt', `more than ${fieldsMax} fields in one frame`);
  }
}

/** Whether it is not to be decoded, whoever asks. */
export function hasTooManyFields(message: Uint8Array, shape: MessageShape): boolean {
  if (message.length <= fieldsMax * fieldBytesMin) return false;
  return !new FieldCount(message, fieldsMax).within(shape);
}

/** One look through a message; what is no message at all is left to the decoder. */
class FieldCount {
  readonly #bytes: Uint8Array;
  #left: number;
  #at = 0;

  constructor(bytes: Uint8Array, max: number) {
    this.#bytes = bytes;
    this.#left = max;
  }

  /** False: there are more, or they nest deeper than anything that is asked for. */
  within(shape: MessageShape, end = this.#bytes.length, depth = 1): boolean {
    if (depth > depthMax) return false;
    while (this.#at < end) {
      if (this.#left === 0) return false;
      this.#left -= 1;
      const tag = this.#varint();
      const length = this.#lengthOf(tag & 7);
      const part = shape.parts.get(tag >>> 3);
      const partEnd = Math.min(this.#at + length, end);
      if (part && length > 0 && !this.within(part, partEnd, depth + 1)) return false;
      this.#at = partEnd;
    }
    return true;
  }

  /** Of what follows a tag of this kind. */
  #lengthOf(wireType: number): number {
    if (wireType === 2) return this.#varint();
    if (wireType === 0) this.#varint();
    if (wireType === 1) return 8;
    return wireType === 5 ? 4 : 0;
  }

  #varint(): number {
    let value = 0;
    let scale = 1;
    while (this.#at < this.#bytes.length) {
      const byte = this.#bytes[this.#at] as number;
      this.#at += 1;
      value += (byte & 0x7f) * scale;
      scale *= 0x80;
      if (byte < 0x80) break;
    }
    return value;
  }
}
