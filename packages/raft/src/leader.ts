// A leader's duties: append, replicate with pipelining, count what is synced, commit by the
// current-term rule, and give leadership up in time (thesis 3.5, 3.6, 5.4.2, 10.2).
import { assert } from '@holdfast/base/assert';
import { advance, type Index, index, type MemberId, minIndex, next } from '@holdfast/base/ids';
import { hasQuorum, isJoint, isVoter, membersOf, quorumValue } from './configuration.ts';
import type { Core } from './core.ts';
import { becomeFollower } from './follow.ts';
import type { Proposal } from './input.ts';
import { appendOwn } from './leader-log.ts';
import type { LeaderState } from './leader-state.ts';
import { maybeLeaveJoint } from './membership.ts';
import type { AppendEntriesResponse } from './message.ts';
import { Progress } from './progress.ts';
import type { AppendOrder } from './ready.ts';
import { maybeStartReadRound, startRound } from './round.ts';

export function becomeLeader(core: Core): void {
  assert(core.role.name === 'candidate', 'only a candidate becomes leader');
  const firstIndex = next(core.log.last.index);
  const leader: LeaderState = {
    progress: new Map(),
    firstIndex,
    round: 0,
    rounds: [],
    waitingReads: [],
    nextHeartbeatMs: core.nowMs,
    widenAtMs: Number.POSITIVE_INFINITY,
    nextDutiesMs: core.nowMs + core.settings.heartbeatMs,
    lastAppendMs: core.nowMs,
    uncommittedBytes: bytesBetween(core, core.commit, core.log.last.index),
    transfer: undefined,
    changeRequest: undefined,
  };
  for (const id of membersOf(core.configuration)) {
    if (id !== core.id) leader.progress.set(id, new Progress(firstIndex, core.nowMs));
  }
  core.leader = core.id;
  core.become({ name: 'leader', leader }, 'election won');
  // The first entry of the term: what commits everything before it (thesis 6.4, safety.md 13).
  appendOwn(core, leader, { kind: 'empty', payload: new Uint8Array(0) });
  startRound(core, leader);
}

function bytesBetween(core: Core, after: Index, through: Index): number {
  let bytes = 0;
  for (let at = after + 1; at <= through; at += 1) bytes += core.log.sizeAt(index(at));
  return bytes;
}

export function propose(core: Core, proposals: readonly Proposal[]): void {
  for (const proposal of proposals) {
    if (core.role.name !== 'leader') core.refuse(proposal.requestId, 'not-leader');
    else proposeOne(core, core.role.leader, proposal);
  }
}

function proposeOne(core: Core, leader: LeaderState, proposal: Proposal): void {
  if (leader.transfer) {
    core.refuse(proposal.requestId, 'transferring');
  } else if (leader.uncommittedBytes >= core.settings.uncommittedBytesMax) {
    core.refuse(proposal.requestId, 'uncommitted-full');
  } else {
    const id = appendOwn(core, leader, { kind: 'command', payload: proposal.payload });
    core.answerAppended(proposal.requestId, id);
  }
}

/** Orders what every follower may get now; called once before each Ready, so that inputs batch. */
export function replicate(core: Core, leader: LeaderState): void {
  for (const [id, progress] of leader.progress) {
    while (maySendEntries(core, progress)) {
      if (!orderAppend(core, id, progress)) break;
    }
  }
}

function maySendEntries(core: Core, progress: Progress): boolean {
  if (!progress.maySend(core.settings)) return false;
  if (progress.state.name === 'probe') return true;
  if (progress.next <= core.log.last.index) return !progress.isPaced(core.nowMs);
  return isNoticeDue(core, progress);
}

/**
 * To tell of a commit alone. While an answer is under way the commit waits for it, and a moment
 * longer for entries that may carry it: under load it costs no message of its own. The next
 * heartbeat tells of it in any case.
 */
function isNoticeDue({ commit, nowMs, settings }: Core, progress: Progress): boolean {
  if (progress.commitSent >= minIndex(commit, progress.match)) {
    progress.noticeDueMs = Number.POSITIVE_INFINITY;
  } else if (progress.inflightCount === 0) {
    progress.noticeDueMs = Math.min(progress.noticeDueMs, nowMs + settings.commitNoticeMs);
  }
  return nowMs >= progress.noticeDueMs;
}

/** Orders one message for a follower, or a snapshot where the log no longer reaches back to it. */
function orderAppend(core: Core, to: MemberId, progress: Progress): boolean {
  const previousIndex = advance(progress.next, -1);
  const previousTerm = core.log.termAt(previousIndex);
  if (previousTerm === undefined) {
    assert(previousIndex < core.log.purged.index, 'a leader knows every term after its purge mark');
    progress.becomeSnapshot();
    core.orderSnapshot(to);
    return false;
  }
  const { hi, bytes } = core.log.messageEnd(
    progress.next,
    core.settings.appendBytesMax,
    core.settings.appendCountMax,
  );
  const { repairTarget } = progress;
  // What is far behind is sent one message after the other.
  const isAll = hi > core.log.last.index;
  const isProbe = progress.state.name === 'probe';
  const order: AppendOrder = {
    to,
    term: core.term,
    previous: { index: previousIndex, term: previousTerm },
    lo: progress.next,
    hi,
    commit: core.commit,
    isNotice: hi === progress.next && !isProbe && repairTarget === undefined,
  };
  core.order(repairTarget === undefined ? order : { ...order, repairTarget });
  progress.commitSent = minIndex(core.commit, advance(hi, -1));
  progress.noticeDueMs = Number.POSITIVE_INFINITY;
  if (isAll && hi > progress.next) progress.pacedUntilMs = core.nowMs + core.settings.spareAppendMs;
  progress.sent(hi, bytes, core.nowMs);
  return progress.state.name === 'replicate';
}

export function handleAppendEntriesResponse(core: Core, message: AppendEntriesResponse): void {
  if (core.role.name !== 'leader') return;
  const { leader } = core.role;
  const progress = leader.progress.get(message.from);
  if (!progress) return;
  progress.heard(core.nowMs);
  switch (message.result) {
    case 'success':
      acknowledged(core, leader, { id: message.from, progress, match: message.match });
      break;
    case 'rejected':
      rejected(core, progress, message);
      break;
    case 'repairing':
      repairing(core, progress, message.match);
      break;
  }
}

function acknowledged(
  core: Core,
  leader: LeaderState,
  from: { readonly id: MemberId; readonly progress: Progress; readonly match: Index },
): void {
  const { progress, match } = from;
  assert(match <= core.log.last.index, "no follower agrees beyond the leader's log");
  progress.repairTarget = undefined;
  if (match > progress.match) progress.match = match;
  // While a snapshot streams, only an answer from behind the purge mark ends the waiting.
  if (progress.state.name !== 'snapshot' || match >= core.log.purged.index) {
    progress.agreedTo(progress.match);
  }
  advanceCommit(core, leader);
  maybeFinishTransfer(core, leader, from.id);
}

/**
 * Skips back by whole terms: at most one round trip for each term that differs (thesis 5.3, C-10).
 */
function rejected(
  core: Core,
  progress: Progress,
  message: AppendEntriesResponse & { readonly result: 'rejected' },
): void {
  if (progress.state.name === 'snapshot') return;
  const { previous, conflictTerm, conflictFirst, last } = message;
  if (hasLostLog(progress, message)) {
    // What it acknowledged is gone: it must count no more, or a commit could rest on it.
    progress.match = index(0);
    core.tellLostLog(message.from, last);
  }
  const isStale =
    previous.index <= progress.match ||
    (progress.state.name === 'probe' && previous.index !== progress.next - 1);
  if (isStale) return;
  const shared = core.log.lastAtOrBelowTerm(
    minIndex(last, advance(previous.index, -1)),
    conflictTerm,
  );
  const agreesOnTerm = core.log.termAt(shared) === conflictTerm;
  // An empty log names index 0 as the first of its term: there is nothing before it.
  const beforeConflict = index(Math.max(0, conflictFirst - 1));
  const probe = agreesOnTerm ? shared : minIndex(shared, beforeConflict);
  progress.becomeProbe(next(probe));
}

/**
 * The answer to the present probe comes from a log that ends before what the same member has
 * acknowledged in this very term: an older copy of its directory was put in the place of its own.
 */
const hasLostLog = (
  progress: Progress,
  { previous, last }: AppendEntriesResponse & { readonly result: 'rejected' },
): boolean =>
  progress.state.name === 'probe' && previous.index === progress.next - 1 && last < progress.match;

/** Safety.md 5: what it once acknowledged no longer counts; the commit index does not fall. */
function repairing(core: Core, progress: Progress, agreed: Index): void {
  progress.match = index(0);
  if (progress.repairTarget === undefined) {
    progress.repairTarget = core.log.last.index;
    progress.becomeProbe(next(core.log.last.index));
  } else if (progress.state.name !== 'snapshot' || agreed >= core.log.purged.index) {
    progress.agreedTo(minIndex(agreed, core.log.last.index));
  }
}

/** Thesis 5.4.2 and figure 3.7: only an entry of the own term is committed by counting (C-03). */
export function advanceCommit(core: Core, leader: LeaderState): void {
  const agreed = quorumValue(core.configuration, (id) =>
    id === core.id ? core.log.persisted : (leader.progress.get(id)?.match ?? 0),
  );
  const commit = index(Math.min(agreed, core.log.last.index));
  if (commit <= core.commit || core.log.termAt(commit) !== core.term) return;
  leader.uncommittedBytes -= bytesBetween(core, core.commit, commit);
  core.commitTo(commit);
  for (const one of leader.progress.values()) one.isSpare = one.match < commit;
  maybeStartReadRound(core, leader);
  maybeLeaveJoint(core, leader);
  maybeStepDownAsRemoved(core);
}

/** A leader that is no voter of the committed configuration goes, after its last service to it. */
function maybeStepDownAsRemoved(core: Core): void {
  const { configuration } = core;
  if (isJoint(configuration) || isVoter(configuration, core.id)) return;
  if (core.configurationIndex <= core.commit) resign(core, 'no longer a voter');
}

/** Leaves office and says so, so that nobody waits out an election timeout (safety.md 11). */
export function resign(core: Core, why: string): void {
  if (core.role.name !== 'leader') return;
  const peers = [...core.role.leader.progress.keys()];
  for (const to of peers) core.send({ type: 'resigned', to });
  becomeFollower(core, core.term, { leader: undefined, why });
}

export function startTransfer(core: Core, to: MemberId): void {
  if (core.role.name !== 'leader' || to === core.id) return;
  const { leader } = core.role;
  const progress = leader.progress.get(to);
  if (!core.configuration.voters.includes(to) || !progress) return;
  progress.hurry(core.nowMs);
  leader.transfer = { to, deadlineMs: core.nowMs + core.settings.electionMaxMs, told: false };
  maybeFinishTransfer(core, leader, to);
}

/** The chosen one holds everything: it may campaign at once (thesis 3.10). */
function maybeFinishTransfer(core: Core, leader: LeaderState, id: MemberId): void {
  const { transfer } = leader;
  if (!transfer || transfer.told || transfer.to !== id) return;
  if (leader.progress.get(id)?.match !== core.log.last.index) return;
  leader.transfer = { ...transfer, told: true };
  core.send({ type: 'timeout-now', to: id });
}

/** Time passed: heartbeats, lost messages, quorum, transfers, and proof that writes work. */
export function tickLeader(core: Core, leader: LeaderState): void {
  if (core.nowMs >= leader.nextDutiesMs) {
    leader.nextDutiesMs = core.nowMs + core.settings.heartbeatMs;
    if (!hasContact(core, leader)) {
      resign(core, 'no quorum answers');
      return;
    }
    doDuties(core, leader);
  }
  if (core.nowMs >= Math.min(leader.nextHeartbeatMs, leader.widenAtMs)) startRound(core, leader);
}

function doDuties(core: Core, leader: LeaderState): void {
  if (leader.transfer && core.nowMs >= leader.transfer.deadlineMs) leader.transfer = undefined;
  for (const progress of leader.progress.values()) resendIfStuck(core, progress);
  const { idleCommitMs } = core.settings;
  if (idleCommitMs > 0 && !leader.transfer && core.nowMs - leader.lastAppendMs >= idleCommitMs) {
    appendOwn(core, leader, { kind: 'empty', payload: new Uint8Array(0) });
  }
}

/** Check-quorum by the age of acknowledgements; sleep of this very process blames nobody. */
function hasContact(core: Core, leader: LeaderState): boolean {
  const oldestMs = core.nowMs - core.settings.quorumTimeoutMs;
  return hasQuorum(core.configuration, (id) => {
    if (id === core.id) return true;
    const progress = leader.progress.get(id);
    if (!progress || progress.isDead) return false;
    return Math.max(progress.lastAckMs, core.wokeAtMs) > oldestMs;
  });
}

function resendIfStuck(core: Core, progress: Progress): void {
  const timeoutMs =
    progress.state.name === 'probe' ? core.settings.retryMaxMs : core.settings.electionMaxMs;
  if (progress.isStuck(core.nowMs, timeoutMs)) restartFrom(progress);
}

/** What was in flight may be lost: find out again where the follower stands. */
function restartFrom(progress: Progress): void {
  if (progress.state.name === 'replicate') progress.becomeProbe(next(progress.match));
  else if (progress.state.name === 'probe') progress.becomeProbe(progress.next);
}

export function peerUnreachable(
  leader: LeaderState,
  event: { readonly peer: MemberId; readonly refused: boolean },
): void {
  const progress = leader.progress.get(event.peer);
  if (progress?.state.name === 'replicate') restartFrom(progress);
  // A dead process answers nothing: check-quorum need not wait for its age (safety.md 12).
  if (progress && event.refused) progress.isDead = true;
}

/** The stream ended. If it arrived, the follower's own answer moves `match`. */
export function snapshotReported(
  core: Core,
  leader: LeaderState,
  report: { readonly peer: MemberId; readonly sent: boolean },
): void {
  const progress = leader.progress.get(report.peer);
  if (progress?.state.name !== 'snapshot') return;
  // Delivered: probe right behind it. Lost: probe from where it was, which orders a new one; the
  // probe's resend interval keeps that from becoming a storm.
  progress.becomeProbe(report.sent ? next(core.log.purged.index) : progress.next);
  if (!report.sent) progress.sent(progress.next, 0, core.nowMs);
}
