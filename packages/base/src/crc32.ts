// CRC-32 (IEEE 802.3, the polynomial of zlib). A pure function, and the reason for this file's
// exception from the import table: Node's built-in runs at 4 to 5 GB/s, nothing of ours would.
import { crc32 as zlibCrc32 } from 'node:zlib';

/** The checksum of `bytes`, going on from `seed`; an unsigned 32-bit number. */
export function crc32(bytes: Uint8Array, seed = 0): number {
  return zlibCrc32(bytes, seed);
}

/** x^0 to x^31 from the highest bit down: how CRC-32 writes polynomials. */
const polynomial = 0xedb88320;
const one = 0x80000000;
const x8 = one >>> 8;

/**
 * The checksum of two pieces one behind the other, from their own and the length of the second in
 * bytes: what a second pass over the bytes would find, without the pass.
 */
export function joinCrc32(first: number, second: number, secondBytes: number): number {
  let shift = one;
  // x^(8 * secondBytes), by squaring.
  for (let power = x8, left = secondBytes; left > 0; left = Math.floor(left / 2)) {
    if (left % 2 === 1) shift = product(shift, power);
    power = product(power, power);
  }
  return (product(shift, first) ^ second) >>> 0;
}

/** Of two polynomials, modulo that of CRC-32. */
function product(a: number, b: number): number {
  let sum = 0;
  let shifted = b;
  for (let mask = one; mask !== 0; mask >>>= 1) {
    if ((a & mask) !== 0) sum ^= shifted;
    shifted = (shifted & 1) === 1 ? (shifted >>> 1) ^ polynomial : shifted >>> 1;
  }
  return sum >>> 0;
}
