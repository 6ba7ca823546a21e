// Torn or rotten (safety.md 3). Torn is what a write leaves that the power or the process did not
// survive; it may be cut, because nobody was told that it is durable. Everything else is rot.
import { findGroupHeaders, groupHeaderBytes, isBefore, type LogPosition } from './log-group.ts';
import type { Damage } from './log-scan.ts';
import { blankSectors } from './sector.ts';

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
  if (endsFile(tail, behind.length) || lacksSector(tail)) {
    return { kind: 'torn', bytes: content.length };
  }
  return { kind: 'rot', reason: `${damage.reason}, and it is no unfinished write` };
}

/** Whether the file was cut inside of the write that is damaged. */
function endsFile(tail: Tail, groupsBehind: number): boolean {
  if (tail.fileBytes === tail.expectedBytes) return false;
  return tail.damage.header ? damagedRange(tail).hi > tail.fileBytes : groupsBehind === 0;
}

/**
 * Whether the damaged write lacks a sector: more of them are zero than it left so. What is damaged
 * of a write that lacks none was changed since.
 */
function lacksSector(tail: Tail): boolean {
  const { lo, hi, blank } = damagedRange(tail);
  const bytes = new Uint8Array(Math.min(hi, tail.expectedBytes) - lo);
  bytes.set(tail.content.subarray(lo - tail.end).subarray(0, bytes.length));
  return blankSectors(bytes, lo) > blank;
}

/** The group's records; its header alone, where that does not say where they end. */
function damagedRange({ end, damage: { header } }: Tail): {
  readonly lo: number;
  readonly hi: number;
  readonly blank: number;
} {
  const lo = end + groupHeaderBytes;
  if (!header) return { lo: end, hi: lo, blank: 0 };
  return { lo, hi: lo + header.bytes, blank: header.blankSectors };
}
