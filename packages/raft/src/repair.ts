// A member that lost a part of its log gets it back from any peer, without a leader (safety.md 5).
// What it takes in here stood in its log before, up to its old durable end, so nothing of history
// changes: no term, no commit, no acknowledgement rests on it. Once that end is synced again it may
// promise as before. As soon as a leader is heard the leader repairs, and this stands aside.
import { assert } from '@holdfast/base/assert';
import { index, next } from '@holdfast/base/ids';
import type { Core } from './core.ts';
import { type Entry, type LogId, sameLogId } from './entry.ts';
import { becomeFollower } from './follow.ts';
import type { SnapshotMeta } from './message.ts';
import type { RepairGoal } from './ready.ts';

export type RepairRange = { readonly previous: LogId; readonly entries: readonly Entry[] };

/** The goal, while nobody else sees to the repair. */
function openGoal(core: Core): RepairGoal | undefined {
  const isFree = core.leader === undefined && core.installing === undefined && !core.heardTerms;
  return isFree ? core.hardState.repairing?.goal : undefined;
}

/** Puts the entries in the place of whatever follows `previous`; none = only cuts. */
export function takeRepairEntries(core: Core, range: RepairRange): void {
  const goal = openGoal(core);
  const { previous, entries } = range;
  if (!goal || previous.index < core.commit || !core.log.has(previous)) return;
  if (!leadsTo(goal, range)) return;
  if (previous.index < core.log.last.index) core.truncateLog(next(previous.index));
  for (const entry of entries) core.appendToLog(entry);
}

/** Whether these can have stood in the own log: nothing behind the goal, no gap, no newer term. */
function leadsTo({ end }: RepairGoal, { previous, entries }: RepairRange): boolean {
  let before = previous;
  for (const entry of entries) {
    const follows = entry.index === before.index + 1 && entry.term >= before.term;
    if (!follows || entry.index > end.id.index || entry.term > end.id.term) return false;
    before = entry;
  }
  return true;
}

/**
 * The caller has found that the synced log ends in the chain of the goal. If a leader has replaced
 * that place meanwhile, it stays with the leader to say when this member is whole.
 */
export function repaired(core: Core, end: LogId): void {
  const goal = core.heardTerms ? undefined : core.hardState.repairing?.goal;
  if (!goal) return; // A leader was quicker.
  assert(sameLogId(goal.end.id, end), 'a repair ends in its goal');
  if (core.log.persisted < end.index || !core.log.has(end)) return;
  core.saveState({ repairing: undefined });
  // A leader that has come meanwhile knows all of this, but as a repairing member's word.
  core.ackedToLeader = index(0);
}

/**
 * What a snapshot covers is committed: it takes nothing away that was promised, and brings the log
 * to where the rest can be fetched. A later term is entered first, and the snapshot taken when it
 * is offered again: a saved term is never older than what is stored (safety.md 7, D-06).
 */
export function takeRepairSnapshot(core: Core, snapshot: SnapshotMeta): void {
  const goal = openGoal(core);
  const { last } = snapshot;
  if (!goal || last.index < goal.after.id.index || last.index <= core.commit) return;
  if (last.term > core.term) {
    becomeFollower(core, last.term, {
      leader: undefined,
      why: 'a snapshot of its term is offered',
    });
  } else {
    core.installSnapshot(snapshot);
  }
}

/** An installed snapshot, whoever sent it, may hold all that was lost. */
export function maybeRepairedBySnapshot(core: Core, last: LogId): void {
  const goal = core.hardState.repairing?.goal;
  if (goal && last.index >= goal.end.id.index) core.saveState({ repairing: undefined });
}
