// CRC-32 (IEEE 802.3, the polynomial of zlib). A pure function, and the reason for this file's
// exception from the import table: Node's built-in runs at 4 to 5 GB/s, nothing of ours would.
import { crc32 as zlibCrc32 } from 'node:zlib';

/** The checksum of `bytes`, going on from `seed`; an unsigned 32-bit number. */
export function crc32(bytes: Uint8Array, seed = 0): number {
  return zlibCrc32(bytes, seed);
}
