// The closed union of what members say to each other, in the words of the Raft thesis. Every
// message names its sender, its receiver and the sender's term; pre-vote requests name the term
// they ask for.
import type { Index, MemberId, RequestId, Term } from '@holdfast/base/ids';
import type { Configuration } from './configuration.ts';
import type { Entry, LogId } from './entry.ts';

type Header = { readonly from: MemberId; readonly to: MemberId; readonly term: Term };

/** Asks whether a vote would be granted in `term`, which nobody has entered yet (thesis 9.6). */
export type PreVoteRequest = Header & {
  readonly type: 'pre-vote-request';
  readonly lastLog: LogId;
};

export type PreVoteResponse = Header & {
  readonly type: 'pre-vote-response';
  readonly granted: boolean;
  /** The term that was asked for; `term` is the answerer's own. */
  readonly requestTerm: Term;
};

export type VoteRequest = Header & {
  readonly type: 'vote-request';
  readonly lastLog: LogId;
  /** Sent on timeout-now: a voter then does not defend its live leader (thesis 4.2.3). */
  readonly transfer: boolean;
};

export type VoteResponse = Header & { readonly type: 'vote-response'; readonly granted: boolean };

export type AppendEntries = Header & {
  readonly type: 'append-entries';
  readonly previous: LogId;
  readonly entries: readonly Entry[];
  readonly commit: Index;
  /** Tells of a commit alone, and wants no answer; members of before give one all the same. */
  readonly isNotice: boolean;
  /** Set for a repairing member: it may vote again once it has synced up to here (safety.md 5). */
  readonly repairTarget?: Index;
};

export type AppendEntriesResponse = Header & {
  readonly type: 'append-entries-response';
  /** As in a heartbeat's answer. */
  readonly disk?: DiskState;
  readonly doubted?: true;
} & (
    | {
        /** Everything up to `match` is synced at the follower and equals the leader's log. */
        readonly result: 'success';
        readonly match: Index;
      }
    | {
        /** `previous` is not in the follower's log: the term there, the first index that the
         * follower holds of that term, and its last index let the leader skip a whole term a round
         * trip. */
        readonly result: 'rejected';
        readonly previous: LogId;
        readonly conflictTerm: Term;
        readonly conflictFirst: Index;
        readonly last: Index;
      }
    | {
        /** A member with a hole in its log: the entries were taken, and count for nothing. */
        readonly result: 'repairing';
        readonly match: Index;
      }
  );

/** A leader's sign of life, and the probe of a ReadIndex round (thesis 6.4). */
export type Heartbeat = Header & {
  readonly type: 'heartbeat';
  /** min(commit, what the receiver is known to hold): never ahead of the receiver's log. */
  readonly commit: Index;
  /** Increases with each broadcast; acknowledgement of round N proves leadership at N's start. */
  readonly round: number;
  /** The receiver's own stamp that came before a since confirmed round, or 0 (safety.md 19). */
  readonly freshStampMs: number;
  /** The leader's commit index at the start of that round. */
  readonly freshCommit: Index;
};

export type HeartbeatResponse = Header & {
  readonly type: 'heartbeat-response';
  readonly round: number;
  /** The answerer's own monotonic time at the sending; comes back as `freshStampMs`. */
  readonly stampMs: number;
  /** Written and read by replicas, beside the core; absent: it is well. */
  readonly disk?: DiskState;
  /** Its state may differ from the others' (safety.md 10): it should not lead. */
  readonly doubted?: true;
};

/**
 * Of a member's disk, best first. `low`: only its reserve is left. `unable`: writes find no room,
 * or do not end (safety.md 9).
 */
export type DiskState = 'well' | 'low' | 'unable';

/** What a snapshot covers: everything up to `last`, under `configuration`. */
export type SnapshotMeta = { readonly last: LogId; readonly configuration: Configuration };

/** A complete and verified snapshot stands at the receiver, beside its old state (safety.md 6). */
export type InstallSnapshot = Header & {
  readonly type: 'install-snapshot';
  readonly snapshot: SnapshotMeta;
};

/** A member asks the leader for a ReadIndex on behalf of its own waiting reads. */
export type ReadIndexRequest = Header & {
  readonly type: 'read-index-request';
  readonly requestId: RequestId;
};

export type ReadIndexResponse = Header & {
  readonly type: 'read-index-response';
  readonly requestId: RequestId;
  /** Undefined: the asked member is no leader that may answer. */
  readonly readIndex: Index | undefined;
};

/** Leadership transfer: campaign at once (thesis 3.10). */
export type TimeoutNow = Header & { readonly type: 'timeout-now' };

/** A leader that lost its quorum says so on the way out, so that nobody waits for it. */
export type Resigned = Header & { readonly type: 'resigned' };

/** A member whose status file was lost asks every other voter for its term (safety.md 4). */
export type TermRequest = Header & { readonly type: 'term-request' };
export type TermResponse = Header & {
  readonly type: 'term-response';
  /** The answerer lost its own status: `term` is only that of its last entry. */
  readonly lost: boolean;
};

/**
 * A repairing member asks a peer for what stood in its own log behind `previous`, up to its old
 * durable end (safety.md 5). Asked and answered by replicas, beside the core, which has no
 * payloads.
 */
export type LogRangeRequest = Header & {
  readonly type: 'log-range-request';
  readonly requestId: RequestId;
  readonly previous: LogId;
  readonly end: LogId;
};

/**
 * `entries`: those behind `previous`, of a log that holds `end`. `unknown`: this log does not hold
 * it. `snapshot`: it was purged here, and a snapshot that covers it is on its way.
 */
export type LogRange = Header & {
  readonly type: 'log-range';
  readonly requestId: RequestId;
} & (
    | { readonly result: 'entries'; readonly entries: readonly Entry[] }
    | { readonly result: 'unknown' | 'snapshot' }
  );

export type Message =
  | PreVoteRequest
  | PreVoteResponse
  | VoteRequest
  | VoteResponse
  | AppendEntries
  | AppendEntriesResponse
  | Heartbeat
  | HeartbeatResponse
  | InstallSnapshot
  | ReadIndexRequest
  | ReadIndexResponse
  | TimeoutNow
  | Resigned
  | TermRequest
  | TermResponse
  | LogRangeRequest
  | LogRange;

/** Distributes over the union, so that each case keeps its own fields. */
export type WithoutSender<M extends Message> = M extends Message ? Omit<M, 'from' | 'term'> : never;
