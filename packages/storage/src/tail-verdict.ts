// Torn or rotten (safety.md 3). Torn is what a write leaves that the power or the process did not
// survive; it may be cut, because nobody was told that it is durable. Everything else is rot.
import { isZero } from './byte-codec.ts';
import { findGroupHeaders, groupHeaderBytes, isBefore, type LogPosition } from './log-group.ts';
import type { Damage } from './log-scan.ts';
import { sectorBytes } from './sector.ts';

/** The newest segment behind its last intact group. */
export type Tail = {
  readonly segment: number;
  /** The end of the last intact group. */
  readonly end: number;
  /** From `end` to the last byte that is not zero. */
  readonly content: Uint8Array;
  readonly damage: Damage;
  readonly fileBytes: number;
  readonly expectedBytes: number;
  /** What the mark and all intact group headers before `end` call synced. */
  readonly durable: LogPosition;
};

export type Verdict =
  | { readonly kind: 'clean' }
  | { readonly kind: 'torn'; readonly bytes: number }
  | { readonly kind: 'rot'; readonly reason: string };

/**
 * Judges what follows the last intact group. All un-synced groups of one sync are one write here:
 * the disk may have kept a later one and lost an earlier. So an intact group behind the damage is a
 * proof of rot only if it was written after a sync of the damaged place, which its header tells.
 */
export function judgeTail(tail: Tail): Verdict {
  const { content, damage, fileBytes, expectedBytes } = tail;
  const whole = fileBytes === expectedBytes;
  if (fileBytes > expectedBytes) return { kind: 'rot', reason: 'a segment is too long' };
  const end = { segment: tail.segment, offset: tail.end };
  const behind = findGroupHeaders(content);
  const synced = [tail.durable, ...behind.map((header) => header.durable)];
  if (synced.some((position) => isBefore(end, position))) {
    return { kind: 'rot', reason: `${damage.reason}, before the durable end` };
  }
  if (content.length === 0) return whole ? { kind: 'clean' } : { kind: 'torn', bytes: 0 };
  if (endsFile(tail, behind.length) || hasZeroSector(tail)) {
    return { kind: 'torn', bytes: content.length };
  }
  return { kind: 'rot', reason: `${damage.reason}, and it is no unfinished write` };
}

/** Whether the file was cut inside of what is damaged. */
function endsFile({ damage, fileBytes, expectedBytes }: Tail, groupsBehind: number): boolean {
  if (fileBytes === expectedBytes) return false;
  if (damage.extentEnd !== undefined) return damage.extentEnd > fileBytes;
  return groupsBehind === 0;
}

/** Whether the damaged write lacks a sector, of which it may own only a part at its ends. */
function hasZeroSector({ content, damage, end }: Tail): boolean {
  const lo = damage.at - end;
  // A header that cannot be read had at least its own length.
  const hi = Math.max((damage.extentEnd ?? 0) - end, lo + groupHeaderBytes);
  const extent = damage.extentEnd === undefined ? Math.max(hi, content.length) : hi;
  const padded = new Uint8Array(extent);
  padded.set(content.subarray(0, extent));
  for (let at = lo; at < extent; ) {
    const stop = Math.min(extent, (Math.floor((end + at) / sectorBytes) + 1) * sectorBytes - end);
    if (isZero(padded, at, stop)) return true;
    at = stop;
  }
  return false;
}
