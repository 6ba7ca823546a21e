// ReadIndex (thesis 6.4) by rounds of heartbeats. A read may join only a round that starts after it
// arrived, on a leader that has committed an entry of its own term; a majority's answers to that
// round, or a later one, prove that no newer leader had taken over when it began (safety.md 13). A
// follower that asks for a read has answered in asking: in a cluster of three that is a majority.
// A round asks a bare majority first, those who are quickest, and everybody when they are late.
import type { Index, MemberId, RequestId } from '@holdfast/base/ids';
import { index, maxIndex, minIndex } from '@holdfast/base/ids';
import { hasQuorum, isJoint, majority, quorumValue } from './configuration.ts';
import type { Core } from './core.ts';
import type { LeaderState, Round } from './leader-state.ts';
import type { HeartbeatResponse, ReadIndexRequest, ReadIndexResponse } from './message.ts';
import type { Progress } from './progress.ts';

/** Reads that wait beyond this many are turned away. */
const waitingReadsMax = 10_000;

/** A read of this very member. */
export function requestRead(core: Core, requestId: RequestId): void {
  if (core.role.name === 'leader') {
    joinNextRound(core, core.role.leader, { requestId, from: core.id });
  } else if (core.leader !== undefined && core.forwardedReads.length < waitingReadsMax) {
    core.forwardedReads.push({ requestId, sentAtMs: core.nowMs });
    core.send({ type: 'read-index-request', to: core.leader, requestId });
  } else {
    core.answerRead(requestId, undefined);
  }
}

export function handleReadIndexRequest(core: Core, message: ReadIndexRequest): void {
  const { requestId, from } = message;
  if (core.role.name !== 'leader') {
    core.send({ type: 'read-index-response', to: from, requestId, readIndex: undefined });
  } else if (isProof(core, core.role.leader, message)) {
    answer(core, { requestId, from }, core.commit);
  } else joinNextRound(core, core.role.leader, { requestId, from });
}

/**
 * Whether the request is a round of its own: its sender says in it, after the read arrived there,
 * that it was still in this term. Where the two of them are a majority, as in a cluster of three,
 * nobody can have been elected in a later term by then, and all that was acknowledged by then is
 * committed here. From more members, or from one that has no vote, it takes a round of heartbeats.
 */
function isProof(core: Core, leader: LeaderState, { from, term }: ReadIndexRequest): boolean {
  if (term !== core.term || core.commit < leader.firstIndex) return false;
  return hasQuorum(core.configuration, (id) => id === core.id || id === from);
}

export function handleReadIndexResponse(core: Core, message: ReadIndexResponse): void {
  const { requestId, readIndex } = message;
  const at = core.forwardedReads.findIndex((read) => read.requestId === requestId);
  const [read] = at < 0 ? [] : core.forwardedReads.splice(at, 1);
  if (!read) return; // Given up meanwhile.
  // What a majority has confirmed since the request left is as fresh as that (safety.md 19).
  if (readIndex !== undefined) core.noteFresh(read.sentAtMs, readIndex);
  core.answerRead(requestId, readIndex);
}

function joinNextRound(
  core: Core,
  leader: LeaderState,
  read: { readonly requestId: RequestId; readonly from: MemberId },
): void {
  if (leader.waitingReads.length >= waitingReadsMax) {
    answer(core, read, undefined);
    return;
  }
  leader.waitingReads.push(read);
  maybeStartReadRound(core, leader);
}

/** Starts a round for the reads that wait, unless one with reads is still under way. */
export function maybeStartReadRound(core: Core, leader: LeaderState): void {
  if (leader.waitingReads.length === 0 || core.commit < leader.firstIndex) return;
  if (isReadUnderWay(leader)) return;
  if (isJoint(core.configuration)) return startRound(core, leader);
  leader.widenAtMs = core.nowMs + core.settings.readRoundMs;
  ask(core, leader, quickest(core, leader));
}

/** Heartbeats to everybody: the leader's sign of life, and the proof that waiting reads need. */
export function startRound(core: Core, leader: LeaderState): void {
  leader.nextHeartbeatMs = core.nowMs + core.settings.heartbeatMs;
  leader.widenAtMs = Number.POSITIVE_INFINITY;
  ask(core, leader, leader.progress);
}

const isReadUnderWay = ({ rounds }: LeaderState): boolean =>
  rounds.some(({ reads }) => reads.length > 0);

type Followers = Iterable<readonly [MemberId, Progress]>;

/** Begins a round, with all reads that wait if they may be answered. */
function ask(core: Core, leader: LeaderState, followers: Followers): void {
  const mayRead = core.commit >= leader.firstIndex;
  leader.round += 1;
  leader.rounds.push({
    number: leader.round,
    startedAtMs: core.nowMs,
    commit: mayRead ? core.commit : undefined,
    reads: mayRead ? leader.waitingReads : [],
  });
  if (mayRead) leader.waitingReads = [];
  for (const [to, progress] of followers) {
    const commit = minIndex(core.commit, progress.match);
    progress.commitSent = maxIndex(progress.commitSent, commit);
    core.send({
      type: 'heartbeat',
      to,
      commit,
      round: leader.round,
      freshStampMs: progress.fresh?.stampMs ?? 0,
      freshCommit: progress.fresh?.commit ?? index(0),
    });
  }
  confirmRounds(core, leader);
}

/** As many voters as are a majority with this leader: those who answered the last rounds first. */
function quickest(core: Core, { progress }: LeaderState): Followers {
  const { voters } = core.configuration;
  const others = [...progress].filter(([id]) => voters.includes(id));
  others.sort(([, a], [, b]) => byQuickness(a, b));
  return others.slice(0, majority(voters.length) - (voters.includes(core.id) ? 1 : 0));
}

const byQuickness = (a: Progress, b: Progress): number =>
  Number(a.isDead) - Number(b.isDead) ||
  b.ackedRound - a.ackedRound ||
  a.ackedRoundAtMs - b.ackedRoundAtMs;

export function handleHeartbeatResponse(core: Core, message: HeartbeatResponse): void {
  if (core.role.name !== 'leader') return;
  const { leader } = core.role;
  const progress = leader.progress.get(message.from);
  if (!progress) return;
  progress.heard(core.nowMs);
  progress.heardRound(message.round, core.nowMs);
  confirmRounds(core, leader);
  progress.takeStamp(message.stampMs, leader.round);
}

/** Releases what a quorum's answers have proved, oldest first. */
function confirmRounds(core: Core, leader: LeaderState): void {
  const confirmed = quorumValue(core.configuration, (id) =>
    id === core.id ? leader.round : (leader.progress.get(id)?.ackedRound ?? 0),
  );
  let newest: Round | undefined;
  while (leader.rounds[0] && leader.rounds[0].number <= confirmed) {
    newest = leader.rounds.shift() as Round;
    for (const read of newest.reads) answer(core, read, newest.commit);
  }
  if (!isReadUnderWay(leader)) leader.widenAtMs = Number.POSITIVE_INFINITY;
  if (newest?.commit === undefined) return;
  core.noteFresh(newest.startedAtMs, newest.commit);
  for (const progress of leader.progress.values()) {
    progress.confirmRound(newest.number, newest.commit);
  }
  maybeStartReadRound(core, leader);
}

function answer(
  core: Core,
  read: { readonly requestId: RequestId; readonly from: MemberId },
  readIndex: Index | undefined,
): void {
  if (read.from === core.id) core.answerRead(read.requestId, readIndex);
  else {
    const { requestId, from: to } = read;
    // It waits there for all that is committed by then.
    if (core.role.name === 'leader') core.role.leader.progress.get(to)?.hurry(core.nowMs);
    core.send({ type: 'read-index-response', to, requestId, readIndex });
  }
}

/** The role or the leader changes: nobody will answer these reads any more. */
export function abandonReads(core: Core): void {
  for (const read of core.forwardedReads) core.answerRead(read.requestId, undefined);
  core.forwardedReads = [];
  if (core.role.name !== 'leader') return;
  const { leader } = core.role;
  const reads = [...leader.rounds.flatMap((round) => round.reads), ...leader.waitingReads];
  leader.rounds = [];
  leader.waitingReads = [];
  for (const read of reads) answer(core, read, undefined);
}

/** Gives up forwarded reads whose answer is overdue: a message may have been lost. */
export function expireForwardedReads(core: Core): void {
  const oldestMs = core.nowMs - core.settings.electionMinMs;
  while (core.forwardedReads[0] && core.forwardedReads[0].sentAtMs <= oldestMs) {
    const read = core.forwardedReads.shift();
    if (read) core.answerRead(read.requestId, undefined);
  }
}
