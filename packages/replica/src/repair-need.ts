// What a start owes before its member may promise anything again (safety.md 5). Pure. A goal is
// kept only while it bounds everything that the member ever acknowledged; where two damages meet,
// the older one's goal is gone from the files, and only a leader can say when the member is whole.
import { index } from '@holdfast/base/ids';
import { type ChainedId, type LogId, sameLogId } from '@holdfast/raft/entry';
import type { RepairGoal, Repairing } from '@holdfast/raft/ready';
import type { LogRecovery } from './ports.ts';

export type Damage = {
  /** What the status says; undefined = the log was whole. */
  readonly saved: Repairing | undefined;
  /** Nobody knows what the status said. */
  readonly statusLost: boolean;
  /** The end of the snapshot that was loaded. */
  readonly start: LogId;
  readonly log: Pick<LogRecovery, 'purged' | 'rot' | 'extent'>;
};

/** Undefined: the member is whole. Answers `saved` itself where nothing has changed. */
export function repairNeed(damage: Damage): Repairing | undefined {
  const { saved, start, log } = damage;
  const hasHole = log.purged.index > start.index;
  let need = saved;
  if (log.rot) need = towards(damage, hasHole ? undefined : log.rot.goal);
  else if (hasHole) need = towards(damage, log.extent);
  // A snapshot is committed: what it covers needs no other proof.
  const isCovered = need?.goal !== undefined && need.goal.end.id.index <= start.index;
  return isCovered ? undefined : need;
}

function towards({ saved, statusLost }: Damage, goal: RepairGoal | undefined): Repairing {
  const isAlone = saved === undefined && !statusLost;
  const isToldAgain = goal !== undefined && saved?.goal !== undefined && same(goal, saved.goal);
  const target = index(0);
  return goal && (isAlone || isToldAgain) ? { target, goal } : { target };
}

const same = (a: RepairGoal, b: RepairGoal): boolean =>
  sameChained(a.after, b.after) && sameChained(a.end, b.end);

const sameChained = (a: ChainedId, b: ChainedId): boolean =>
  sameLogId(a.id, b.id) && a.chain === b.chain;
