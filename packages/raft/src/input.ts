// Everything that can happen to the core: a closed union. The end of an IO is an input like any
// other, so a run is a list of (time, input) pairs, and a bug is a file that replays.
import type { Index, MemberId, RequestId } from '@holdfast/base/ids';
import type { Configuration } from './configuration.ts';
import type { Entry, LogId } from './entry.ts';
import type { Message, SnapshotMeta } from './message.ts';

export type Proposal = { readonly requestId: RequestId; readonly payload: Uint8Array };

export type Input =
  /** Time has passed; due at `Raft.nextTickMs`, harmless at any time. */
  | { readonly type: 'tick' }
  | { readonly type: 'message'; readonly message: Message }
  /** Commands to append, in order. Each is answered in a Ready as appended or refused. */
  | { readonly type: 'propose'; readonly proposals: readonly Proposal[] }
  /** A linearizable read wants an index to wait for; answered in a Ready. */
  | { readonly type: 'read-index'; readonly requestId: RequestId }
  /** Moves to this configuration through a joint one; answered like a proposal. */
  | {
      readonly type: 'change-membership';
      readonly requestId: RequestId;
      readonly target: Pick<Configuration, 'voters' | 'learners'>;
    }
  | { readonly type: 'transfer-leadership'; readonly to: MemberId }
  /** Somebody at `peer` may soon ask for what is committed: tell it, with entries that wait. */
  | { readonly type: 'tell-commit'; readonly peer: MemberId }
  /** Gives leadership up and says so (a failing disk, a drain without a fit successor). */
  | { readonly type: 'resign' }
  /** Synced: the status of Ready.status.sequence, and/or the log up to and with `log`. */
  | { readonly type: 'persisted'; readonly statusSequence?: number; readonly log?: LogId }
  | { readonly type: 'applied'; readonly index: Index }
  /** The switch to an installed snapshot is durable. */
  | { readonly type: 'snapshot-installed'; readonly last: LogId }
  /** A repairing member got these from a peer: they follow `previous` (safety.md 5). */
  | {
      readonly type: 'repair-entries';
      readonly previous: LogId;
      readonly entries: readonly Entry[];
    }
  /** The synced log ends in the chain of the repair's goal, up to `end`. */
  | { readonly type: 'repaired'; readonly end: LogId }
  /**
   * A repairing member is offered a snapshot of a later term by a peer, which it enters; or got it
   * whole and verified, and it stands beside its state.
   */
  | { readonly type: 'repair-snapshot'; readonly snapshot: SnapshotMeta }
  /** A snapshot sent to `peer` ended: it stands there complete, or it did not arrive. */
  | { readonly type: 'snapshot-reported'; readonly peer: MemberId; readonly sent: boolean }
  /** The log now begins after `last`; older entries are only in snapshots. */
  | { readonly type: 'log-purged'; readonly last: LogId }
  /** `refused` = the peer's machine answered that nobody listens: the process is dead (safety.md
   * 12). Anything else only means that messages in flight may be lost. */
  | { readonly type: 'peer-unreachable'; readonly peer: MemberId; readonly refused: boolean };
