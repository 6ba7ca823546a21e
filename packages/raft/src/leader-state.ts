// What only a leader has, made when it wins and gone when it loses. Data without behaviour of its
// own; leader.ts, round.ts and membership.ts work on it.
import type { Index, MemberId, RequestId } from '@holdfast/base/ids';
import type { Progress } from './progress.ts';

/** A read that waits for a round: its own, or one that a follower asked for (`from`). */
export type LeaderRead = { readonly requestId: RequestId; readonly from: MemberId };

/** One round of heartbeats, until a quorum has answered it or a later one. */
export type Round = {
  readonly number: number;
  readonly startedAtMs: number;
  /** The commit index at its start; undefined if no entry of this term was committed yet. */
  readonly commit: Index | undefined;
  readonly reads: readonly LeaderRead[];
};

export type Transfer = {
  readonly to: MemberId;
  readonly deadlineMs: number;
  readonly told: boolean;
};

export type LeaderState = {
  /** Everybody but this member. */
  readonly progress: Map<MemberId, Progress>;
  /** The first index of this leader's term: committed means "may read" (thesis 6.4). */
  readonly firstIndex: Index;
  /** The newest round; an answer to another leadership's round carries another term. */
  round: number;
  rounds: Round[];
  /** Reads that arrived since the newest round began. */
  waitingReads: LeaderRead[];
  nextHeartbeatMs: number;
  /** When everybody is asked for reads whose round began with a few; Infinity: there is none. */
  widenAtMs: number;
  /** What else is owed with the time: it keeps a pace of its own. */
  nextDutiesMs: number;
  lastAppendMs: number;
  uncommittedBytes: number;
  transfer: Transfer | undefined;
  /** The request that is answered when the joint configuration has been left. */
  changeRequest: RequestId | undefined;
};
