// The unit that every disk writes whole: the ground on which a torn write can be told from rot.
import { isZero } from './byte-codec.ts';

/** Axiom: a sector is written as a whole or not at all (docs/axioms.md, safety.md 3). */
export const sectorBytes = 512;

/**
 * How many sectors of these bytes are all zero; the first byte stands at `offset` in its file. Of
 * the sectors at their ends the bytes may own a part only.
 */
export function blankSectors(bytes: Uint8Array, offset: number): number {
  let count = 0;
  for (let at = 0; at < bytes.length; ) {
    const end = Math.min(bytes.length, at + sectorBytes - ((offset + at) % sectorBytes));
    // The first byte answers for nearly all: this is on the path of every write.
    if (bytes[at] === 0 && isZero(bytes, at, end)) count += 1;
    at = end;
  }
  return count;
}
