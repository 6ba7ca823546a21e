// Fixed-width little-endian fields. A counter of 64 bits is written as two halves, because a BigInt
// per field would be the most expensive part of encoding an entry; it stays a safe integer.
import { assert } from '@holdfast/base/assert';

const half = 4294967296;

export const viewOf = (bytes: Uint8Array): DataView =>
  new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);

export function putCounter(view: DataView, at: number, value: number): void {
  view.setUint32(at, value % half, true);
  view.setUint32(at + 4, Math.floor(value / half), true);
}

/** Only for bytes whose checksum was right: a value beyond 2^53 is then a broken invariant. */
export function getCounter(view: DataView, at: number): number {
  const value = view.getUint32(at + 4, true) * half + view.getUint32(at, true);
  assert(Number.isSafeInteger(value), 'a stored counter is a safe integer');
  return value;
}

const wordBytes = 8;

/** Whether bytes [lo, hi) are all zero. */
export function isZero(bytes: Uint8Array, lo = 0, hi = bytes.length): boolean {
  let at = lo;
  while (at < hi && (bytes.byteOffset + at) % wordBytes !== 0) if (bytes[at++] !== 0) return false;
  const wordCount = Math.floor((hi - at) / wordBytes);
  if (wordCount > 0) {
    const words = new Float64Array(bytes.buffer, bytes.byteOffset + at, wordCount);
    // Minus zero has a bit of its own, and compares as equal to zero.
    for (const word of words) if (word !== 0 || Object.is(word, -0)) return false;
    at += wordCount * wordBytes;
  }
  for (; at < hi; at += 1) if (bytes[at] !== 0) return false;
  return true;
}

/** Zeros are looked at in pieces of so many bytes. */
const zeroStride = 4096;

/** The offset after the last byte that is not zero, or 0. */
export function endOfContent(bytes: Uint8Array): number {
  let end = bytes.length;
  while (end >= zeroStride && isZero(bytes, end - zeroStride, end)) end -= zeroStride;
  while (end > 0 && bytes[end - 1] === 0) end -= 1;
  return end;
}
