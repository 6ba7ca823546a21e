// Which byte it is, if a piece does not fit its CRC-32 because of a single wrong byte: told from
// the difference of the two checksums alone, for people who want to know how a file was damaged.
import { crc32 } from '@holdfast/base/crc32';

export type WrongByte = {
  /** Within the piece. */
  readonly offset: number;
  /** What it should be, xor what it is. */
  readonly difference: number;
};

/** The index in CRC's table of the only entry with that highest byte. */
const indexOfTop = new Uint8Array(256);
const table = new Uint32Array(256);
for (let at = 0; at < 256; at += 1) {
  let entry = at;
  for (let bit = 0; bit < 8; bit += 1) {
    entry = (entry & 1) === 1 ? (entry >>> 1) ^ 0xedb88320 : entry >>> 1;
  }
  table[at] = entry;
  indexOfTop[entry >>> 24] = at;
}

/**
 * The bytes of which each, changed alone, would make the checksum `expected`: usually one where one
 * byte is wrong, sometimes a few, and one of them is it; none where more is wrong, but for chance.
 */
export function findWrongBytes(bytes: Uint8Array, expected: number): readonly WrongByte[] {
  const found: WrongByte[] = [];
  let state = (crc32(bytes) ^ expected) >>> 0;
  if (state === 0) return found;
  // Takes CRC back byte by byte: where a difference of eight bits remains, it may have come in.
  for (let offset = bytes.length - 1; offset >= 0; offset -= 1) {
    const at = indexOfTop[state >>> 24] as number;
    state = (((state ^ (table[at] as number)) << 8) | at) >>> 0;
    if (state < 256) found.push({ offset, difference: state });
  }
  return found.reverse();
}
