// What the core wants done, in the order in which it must happen:
//
//   1 accept   `append` into the log store (readable at once, synced later)
//   2 send     `messages`, `appends`, `snapshots`: a leader replicates while it writes
//   3 persist  `status` first, then the accepted entries; report with `persisted`
//   4 install  a received snapshot; report with `snapshot-installed`
//   5 apply    `committed`, in order; report with `applied`
//   6 answer   `appended`, `refused`, `reads`
//
// A message that promises durability is not in a Ready before the promise is kept: the core itself
// holds it back until `persisted` says so. So everything under 2 may always be sent at once.
import type { Index, MemberId, RequestId, Term } from '@holdfast/base/ids';
import type { ChainedId, Entry, LogId } from './entry.ts';
import type { Message, SnapshotMeta } from './message.ts';

/** What a member lost of its log, as far as its own files tell for certain (safety.md 5). */
export type RepairGoal = {
  /** The last entry before the damage. */
  readonly after: ChainedId;
  /** Nothing behind it was ever acknowledged by this member: its old durable end. */
  readonly end: ChainedId;
};

export type Repairing = {
  /** The index that a leader named; zero = none yet. */
  readonly target: Index;
  /** Undefined: only a leader can tell when this member is whole again. */
  readonly goal?: RepairGoal;
};

/** The status file's part of the core (thesis figure 3.1, "persistent state on all servers"). */
export type HardState = {
  readonly term: Term;
  readonly vote: MemberId | undefined;
  /** Set while the log has a hole or rot: no votes, no success (safety.md 5). */
  readonly repairing: Repairing | undefined;
};

/** Entries [lo, hi) for one follower; the replica fills the payloads in from the log store. */
export type AppendOrder = {
  readonly to: MemberId;
  readonly term: Term;
  readonly previous: LogId;
  readonly lo: Index;
  readonly hi: Index;
  readonly commit: Index;
  /** Nobody waits for an answer. */
  readonly isNotice: boolean;
  readonly repairTarget?: Index;
};

export type RefusalReason =
  | 'not-leader'
  | 'transferring'
  | 'uncommitted-full'
  | 'change-in-flight'
  | 'bad-change';

export type Ready = {
  readonly append: readonly Entry[];
  readonly messages: readonly Message[];
  readonly appends: readonly AppendOrder[];
  /** Peers that need a snapshot, because the log no longer reaches back to them. */
  readonly snapshots: readonly MemberId[];
  readonly status: { readonly sequence: number; readonly state: HardState } | undefined;
  readonly install: SnapshotMeta | undefined;
  /** Newly committed entries [lo, hi), or undefined. */
  readonly committed: { readonly lo: Index; readonly hi: Index } | undefined;
  readonly appended: readonly { readonly requestId: RequestId; readonly id: LogId }[];
  readonly refused: readonly {
    readonly requestId: RequestId;
    readonly reason: RefusalReason;
    readonly leader: MemberId | undefined;
  }[];
  /** `readIndex` undefined: no leader could confirm; ask again later. */
  readonly reads: readonly {
    readonly requestId: RequestId;
    readonly readIndex: Index | undefined;
  }[];
  /** What was confirmed by a quorum as the state at `stampMs` of this member's own clock. */
  readonly fresh: { readonly stampMs: number; readonly index: Index } | undefined;
};
