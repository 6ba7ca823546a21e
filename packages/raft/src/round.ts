// ReadIndex (thesis 6.4) by rounds of heartbeats. A read may join only a round that starts after it
// arrived, on a leader that has committed an entry of its own term; a majority's answers to that
// round, or a later one, prove that no newer leader had taken over when it began (safety.md 13).
import type { Index, MemberId, RequestId } from '@holdfast/base/ids';
import { index, minIndex } from '@holdfast/base/ids';
import { quorumValue } from './configuration.ts';
import type { Core } from './core.ts';
import type { LeaderState, Round } from './leader-state.ts';
import type { HeartbeatResponse, ReadIndexRequest, ReadIndexResponse } from './message.ts';

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
  if (core.role.name === 'leader') joinNextRound(core, core.role.leader, { requestId, from });
  else core.send({ type: 'read-index-response', to: from, requestId, readIndex: undefined });
}

export function handleReadIndexResponse(core: Core, message: ReadIndexResponse): void {
  const at = core.forwardedReads.findIndex((read) => read.requestId === message.requestId);
  if (at < 0) return; // Given up meanwhile.
  core.forwardedReads.splice(at, 1);
  core.answerRead(message.requestId, message.readIndex);
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
  if (leader.rounds.some((round) => round.reads.length > 0)) return;
  startRound(core, leader);
}

/** Broadcasts heartbeats: the leader's sign of life, and the proof that waiting reads need. */
export function startRound(core: Core, leader: LeaderState): void {
  const mayRead = core.commit >= leader.firstIndex;
  leader.round += 1;
  leader.rounds.push({
    number: leader.round,
    startedAtMs: core.nowMs,
    commit: mayRead ? core.commit : undefined,
    reads: mayRead ? leader.waitingReads : [],
  });
  if (mayRead) leader.waitingReads = [];
  leader.nextHeartbeatMs = core.nowMs + core.settings.heartbeatMs;
  for (const [to, progress] of leader.progress) {
    core.send({
      type: 'heartbeat',
      to,
      commit: minIndex(core.commit, progress.match),
      round: leader.round,
      freshStampMs: progress.fresh?.stampMs ?? 0,
      freshCommit: progress.fresh?.commit ?? index(0),
    });
  }
  confirmRounds(core, leader);
}

export function handleHeartbeatResponse(core: Core, message: HeartbeatResponse): void {
  if (core.role.name !== 'leader') return;
  const { leader } = core.role;
  const progress = leader.progress.get(message.from);
  if (!progress) return;
  progress.heard(core.nowMs);
  progress.ackedRound = Math.max(progress.ackedRound, message.round);
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
