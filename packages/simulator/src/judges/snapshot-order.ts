// The snapshots' links of the invariant chain (safety.md 7): a snapshot covers what is applied and
// synced, and the log is dropped no further than the older one of two, which needs it if the newer
// one rots.
import type { Index, MemberId } from '@holdfast/base/ids';
import { Violation } from './violation.ts';

/** How many snapshots a member keeps (safety.md 8). */
const keptMin = 2;

/** `member` has taken a snapshot of its own state. */
export function judgeSnapshot(
  member: MemberId,
  marks: { readonly through: Index; readonly applied: Index; readonly persisted: Index },
): void {
  const { through, applied, persisted } = marks;
  if (through <= Math.min(applied, persisted)) return;
  const detail = `${member} has a snapshot through ${through}, applied ${applied}`;
  throw new Violation('snapshot-order', `${detail}, synced ${persisted}`);
}

/** `kept`: the snapshots that `member` has, newest first. */
export function judgePurge(member: MemberId, through: Index, kept: readonly Index[]): void {
  const older = kept[keptMin - 1];
  if (older !== undefined && through <= older) return;
  const snapshots = kept.join(' and ') || 'none';
  throw new Violation('snapshot-order', `${member} drops ${through}, its snapshots: ${snapshots}`);
}
