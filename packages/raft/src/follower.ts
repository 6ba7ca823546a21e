// A follower's duties: take the leader's entries, say when they are synced, and never more than
// that (thesis 3.5). Success is promised only for what is both equal to the leader's log and on
// disk.
import { assert } from '@holdfast/base/assert';
import { advance, type Index, index, maxIndex, minIndex, type Term } from '@holdfast/base/ids';
import type { Core } from './core.ts';
import type { LogId } from './entry.ts';
import { becomeFollower } from './follow.ts';
import type { AppendEntries, Heartbeat, InstallSnapshot, Message } from './message.ts';
import { maybeRepairedBySnapshot } from './repair.ts';

/** A message of the present term's leader: follow it, and start waiting anew (C-09). */
export function hearLeader(core: Core, message: Message): void {
  assert(core.role.name !== 'leader', 'at most one leader a term');
  if (core.leader !== message.from || core.role.name !== 'follower') {
    becomeFollower(core, message.term, { leader: message.from, why: 'leader found' });
  }
  core.heardLeaderMs = core.nowMs;
  core.electionAtMs = core.nowMs + core.electionDelayMs();
}

export function handleHeartbeat(core: Core, message: Heartbeat): void {
  hearLeader(core, message);
  if (message.freshStampMs > 0) core.noteFresh(message.freshStampMs, message.freshCommit);
  // min(commit, match): the leader knows that this log holds it, but a member that lost its log
  // since does not, and says so on the log connection.
  core.commitTo(minIndex(message.commit, core.verified));
  core.send({
    type: 'heartbeat-response',
    to: message.from,
    round: message.round,
    stampMs: core.nowMs,
  });
}

export function handleAppendEntries(core: Core, message: AppendEntries): void {
  hearLeader(core, message);
  if (core.installing) return; // The switch to a snapshot comes first; the leader asks again.
  takeRepairTarget(core, message.repairTarget);
  const taken = skipKnown(core, message);
  if (!core.log.has(taken.previous)) {
    const knowsRepair = core.mayPromise || message.repairTarget !== undefined;
    if (knowsRepair) reject(core, message, taken.previous);
    else confessRepair(core, message);
    return;
  }
  takeEntries(core, taken.entries);
  const end = advance(taken.previous.index, taken.entries.length);
  core.verified = maxIndex(core.verified, end);
  core.commitTo(minIndex(message.commit, end));
  acknowledge(core, !message.isNotice);
}

/** Entries at or below the commit index are equal by leader completeness: they need no look. */
function skipKnown(
  core: Core,
  message: AppendEntries,
): { readonly previous: LogId; readonly entries: AppendEntries['entries'] } {
  const { previous, entries } = message;
  if (previous.index >= core.commit) return message;
  const known = Math.min(core.commit - previous.index, entries.length);
  const at = advance(previous.index, known);
  const term = core.log.termAt(at);
  if (term === undefined) return { previous: committedId(core), entries: [] };
  return { previous: { index: at, term }, entries: entries.slice(known) };
}

const committedId = (core: Core): LogId => ({
  index: core.commit,
  term: core.log.termAt(core.commit) as Term,
});

function takeEntries(core: Core, entries: AppendEntries['entries']): void {
  for (const entry of entries) {
    const own = core.log.termAt(entry.index);
    if (own === entry.term) continue;
    if (own !== undefined) core.truncateLog(entry.index);
    core.appendToLog(entry);
  }
}

/** Before anything else the leader must stop counting what this member once acknowledged. */
function confessRepair(core: Core, message: AppendEntries): void {
  core.send({
    type: 'append-entries-response',
    to: message.from,
    result: 'repairing',
    match: index(0),
  });
}

/**
 * The hint: which term stands at the place that was asked for, and where it begins (C-02, C-10).
 */
function reject(core: Core, message: AppendEntries, previous: LogId): void {
  const at = minIndex(previous.index, core.log.last.index);
  core.send({
    type: 'append-entries-response',
    to: message.from,
    result: 'rejected',
    previous,
    conflictTerm: core.log.termAt(at) ?? core.log.last.term,
    conflictFirst: core.log.firstOfTerm(at),
    last: at,
  });
}

/**
 * Tells the leader what is synced; `always` also when that is nothing new (it waits for an answer).
 */
export function acknowledge(core: Core, always: boolean): void {
  if (core.leader === undefined || core.role.name !== 'follower') return;
  const match = minIndex(core.verified, core.log.persisted);
  maybeEndRepair(core, match);
  // While entries of the leader's last message are not synced, the answer comes with their sync.
  const isOwed = always && match === core.verified;
  if (match <= core.ackedToLeader && !isOwed) return;
  core.ackedToLeader = maxIndex(core.ackedToLeader, match);
  core.send({
    type: 'append-entries-response',
    to: core.leader,
    result: core.mayPromise ? 'success' : 'repairing',
    match,
  });
}

function takeRepairTarget(core: Core, target: Index | undefined): void {
  const { repairing } = core.hardState;
  if (target === undefined || repairing === undefined || repairing.target > 0) return;
  core.saveState({ repairing: { ...repairing, target } });
}

/** Everything up to the named target is synced and equals the leader's log: the member is whole. */
function maybeEndRepair(core: Core, match: Index): void {
  const { repairing } = core.hardState;
  if (repairing === undefined || repairing.target === 0 || match < repairing.target) return;
  core.saveState({ repairing: undefined });
}

/**
 * A verified snapshot stands beside the old state: switch, unless the log already reaches as far.
 */
export function handleInstallSnapshot(core: Core, message: InstallSnapshot): void {
  hearLeader(core, message);
  const { last } = message.snapshot;
  if (core.installing) return;
  if (last.index <= core.commit || core.log.has(last)) {
    core.verified = maxIndex(core.verified, maxIndex(last.index, core.commit));
    core.commitTo(last.index);
    acknowledge(core, true);
    return;
  }
  core.installSnapshot(message.snapshot);
}

export function snapshotInstalled(core: Core, last: LogId): void {
  assert(core.installing !== undefined, 'an install was under way');
  assert(core.installing.index === last.index, 'the installed snapshot is the ordered one');
  core.installing = undefined;
  core.applied = maxIndex(core.applied, last.index);
  // Committed, so the present leader's log holds it too, though another leader may have sent it.
  core.verified = maxIndex(core.verified, last.index);
  core.ackedToLeader = index(0);
  maybeRepairedBySnapshot(core, last);
  acknowledge(core, true);
}
