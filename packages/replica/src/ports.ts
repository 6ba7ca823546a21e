// The contracts of everything a replica stands on. It owns them; implementors (`storage`, `mvcc`,
// `transport`, and their memory twins) do not import them: a wrong shape fails to compile where the
// parts meet. What a method promises about durability is the heart of each contract.
import type { ClusterId, Index, MemberId, RequestId, StoreId, Term } from '@holdfast/base/ids';
import type { PlacedConfiguration } from '@holdfast/raft/configuration';
import type { Entry, LogId } from '@holdfast/raft/entry';
import type { Input } from '@holdfast/raft/input';
import type { Message, SnapshotMeta } from '@holdfast/raft/message';
import type { Raft } from '@holdfast/raft/raft';
import type { HardState, Ready, RepairGoal } from '@holdfast/raft/ready';

/** What the log store found at open, after torn tails were cut and everything found was synced. */
export type LogRecovery = {
  /** The LogId before the first entry that is still there (index 0, term 0 for a whole log). */
  readonly purged: LogId;
  readonly last: LogId;
  /** Every entry's term in runs: from `from` on, the term is `term`. Covers (purged, last]. */
  readonly termRuns: readonly { readonly from: Index; readonly term: Term }[];
  /** Bytes of each entry as `entryBytes` counts them, from purged + 1 to last. */
  readonly sizes: readonly number[];
  readonly configurations: readonly PlacedConfiguration[];
  /** The commit index that was last hinted with a write; at most `last`. */
  readonly commitHint: Index;
  /**
   * `purged` and `last` with their chains: what has to be there again if a start must give the log
   * up, for want of a snapshot that it could follow.
   */
  readonly extent: RepairGoal;
  /** Bytes of a torn record that were cut, or 0. */
  readonly tornBytes: number;
  /** Set when records at or before the durable end are unreadable (safety.md 3 and 5). The log then
   * ends before the damage, and the member must start repairing. Told by every open() until the
   * first sync() after it: `repairing` is saved before that. */
  readonly rot:
    | {
        readonly from: Index;
        readonly reason: string;
        /** What must be there again; undefined where the store cannot tell that for certain. */
        readonly goal: RepairGoal | undefined;
      }
    | undefined;
};

/** The Raft log. Three marks: accepted (readable), submitted (written), persisted (synced). */
export interface LogStore {
  /**
   * The signal breaks it off with its reason, and nothing is harmed. Progress in bytes. After
   * `disk-full` it may be asked again. With `mustExist` a log of which nothing is left is rotten
   * from its first entry on; else a new one begins.
   */
  open(watch?: {
    readonly signal?: AbortSignal | undefined;
    readonly onProgress?: ((doneBytes: number, totalBytes: number) => void) | undefined;
    readonly mustExist?: boolean | undefined;
  }): Promise<LogRecovery>;
  /**
   * Takes entries in, at once readable, dropping anything from entries[0].index on that differs.
   */
  accept(entries: readonly Entry[]): void;
  /**
   * Writes all that was accepted and syncs it with one fdatasync; resolves with the new persisted
   * end. One at a time. Rejects with `disk-full`, or with `unavailable` after a failed sync: the
   * store is then finished, and only a new open() of the directory may follow (safety.md 1, 9).
   */
  sync(commitHint: Index): Promise<LogId>;
  /** Entries [lo, hi), as many as fit in bytesMax and at least one; a plain array when cached. */
  read(lo: Index, hi: Index, bytesMax: number): readonly Entry[] | Promise<readonly Entry[]>;
  /**
   * The checksum chain after these entries, which need not be in the log, if it was `chain` before
   * them (safety.md 2). The same on every member.
   */
  chainAfter(entries: readonly Entry[], chain: number): number;
  /**
   * Drops whole segments whose entries are all at or below `through`; answers the new purge mark.
   */
  purge(through: Index): Promise<LogId>;
  /**
   * Empties the log, which then begins after `last` (an installed snapshot). Durable when resolved.
   */
  reset(last: LogId): Promise<void>;
  readonly marks: { readonly purged: LogId; readonly accepted: LogId; readonly persisted: LogId };
  close(): Promise<void>;
}

/** The status file (safety.md 4), and the identity that was written when the directory was made. */
export type StoredStatus = {
  readonly state: HardState;
  /** A snapshot install was in the middle of its switch. */
  readonly installing: boolean;
};

export type StatusRecovery = {
  /** Undefined: a new directory. */
  readonly status: StoredStatus | undefined;
  /** Both copies were unreadable: term and vote are unknown, the member must abstain. */
  readonly lost: boolean;
  readonly copiesBad: number;
};

export interface StatusStore {
  open(): Promise<StatusRecovery>;
  /** Resolves when copy 1 and then copy 2 are written and synced. */
  save(status: StoredStatus): Promise<void>;
  close(): Promise<void>;
}

export interface SnapshotWriter {
  write(bytes: Uint8Array): Promise<void>;
  /** Seals, syncs file and directory: from now on the snapshot exists. */
  commit(): Promise<void>;
  abort(): Promise<void>;
}

export type StoredSnapshot = SnapshotMeta & {
  /** Of the image. */
  readonly bytes: number;
  readonly stateHash: bigint;
  /** CRC-32 of the whole image. */
  readonly checksum: number;
};

/** A snapshot that a peer sends: what is there of it may stay for the next try. */
export interface ReceivedSnapshotWriter extends SnapshotWriter {
  /** Bytes that are there already, verified: write() goes on from there. */
  readonly offset: number;
  /** Leaves what was written, in the place of abort(); after that or a commit() it does nothing. */
  suspend(): Promise<void>;
}

export interface SnapshotStore {
  /** Complete snapshots, newest first; unfinished ones are removed, but for the newest part. */
  open(): Promise<readonly StoredSnapshot[]>;
  create(meta: SnapshotMeta, stateHash: bigint): Promise<SnapshotWriter>;
  /**
   * Goes on where an earlier try for this very snapshot has stopped, or begins anew; undefined: it
   * stands here whole. Its commit() rejects with `corrupt` unless bytes and checksum are those that
   * were announced.
   */
  receive(snapshot: StoredSnapshot): Promise<ReceivedSnapshotWriter | undefined>;
  /**
   * The image's bytes from `offset` on, each chunk verified; throws `corrupt`. A chunk is good
   * until the next one is asked for: from then on it may be overwritten.
   */
  read(snapshot: StoredSnapshot, offset?: number): AsyncIterable<Uint8Array>;
  /** Its image is no state, though it reads back well: it is set aside like a damaged one. */
  reject(snapshot: StoredSnapshot, reason: string): Promise<void>;
  /** Deletes all but the newest `keep` and `held`; answers what is left, newest first. */
  retain(keep: number, held?: readonly LogId[]): Promise<readonly StoredSnapshot[]>;
  close(): Promise<void>;
}

/** The room on a member's disk, of which a part is kept back (safety.md 9). */
export interface SpaceReserve {
  /** Nothing is left but what was kept back: what adds data has to wait. */
  readonly isLow: boolean;
  /** Gives it up, from then on the disk is low; false: there was nothing to give. */
  giveUp(): Promise<boolean>;
  /** Looks how much is free, and fills the reserve up for a snapshot of that size. */
  tend(snapshotBytes: number): Promise<void>;
  close(): Promise<void>;
}

/** One applied entry's answer, opaque to the replica, handed to whoever proposed it. */
export type ApplyResult = unknown;

/** A frozen state, written while the live one goes on. */
export interface StateImage {
  readonly appliedIndex: Index;
  readonly stateHash: bigint;
  /** Encodes in slices that hold the event loop no longer than a few milliseconds each. */
  chunks(): AsyncIterable<Uint8Array>;
  release(): void;
}

/** A state that was loaded beside the live one. */
export interface PreparedState {
  readonly stateHash: bigint;
  /** Takes the place of the live state, which is no further than it; watches go on. */
  takeOver(): void;
}

export interface StateMachine {
  /** Applies committed entries in order; total: an error is a result (safety.md 10). */
  apply(entries: readonly Entry[]): readonly ApplyResult[];
  readonly appliedIndex: Index;
  readonly stateHash: bigint;
  /** The time stamp of the last applied command, or 0 (proto/entry-envelope.ts). */
  readonly lastProposedAtMs: number;
  image(): StateImage;
  /**
   * Loads an image beside the live state, which goes on meanwhile. Asks for a chunk when it is done
   * with the one before, and for none any more when it rejects: with `corrupt`, or with
   * `failed-precondition` if it is another image than that of `last`.
   */
  prepare(last: LogId, chunks: AsyncIterable<Uint8Array>): Promise<PreparedState>;
  /** Replaces the whole state; on a rejection the old one is still there. */
  restore(last: LogId, chunks: AsyncIterable<Uint8Array>): Promise<void>;
}

/**
 * Whether the own state is in doubt (safety.md 10): then no snapshot of it is taken, kept or sent,
 * and whatever a peer sends takes its place. The log is not: it is synced, checked and compared.
 */
export interface StateDoubt {
  readonly isDoubted: boolean;
  /** Reads what an earlier start knew; first of all. */
  open(): Promise<void>;
  /** Another state has taken the place of the doubted one. */
  onReplaced(): void;
}

/**
 * Hears everything that the core is told, and what is needed to replay it. It never throws and
 * never waits: a recording that fails ends by itself.
 */
export interface CoreRecorder {
  /** The core and the state as they stand at the start, before the first input. */
  begin(recorded: { readonly raft: Raft; readonly stateMachine: StateMachine }): void;
  /** The core is about to take an input. */
  input(nowMs: number, input: Input): void;
  /** The inputs since the last turn share this Ready, which is carried out now. */
  turnEnded(ready: Ready): void;
  applied(entries: readonly Entry[]): void;
  /** What was recorded is written out; nothing is heard any more. */
  close(): Promise<void>;
}

/** A proposal that a follower hands to the leader: one hop, never sent twice (safety.md 21). */
export type ForwardRequest = {
  readonly requestId: RequestId;
  /** The term in which the sender believes the receiver leads. */
  readonly term: Term;
  /**
   * An encoded ProposalRequest: session, sequence, actor, trace, body (proto/entry-envelope.ts).
   */
  readonly body: Uint8Array;
  /** The body is for the leader's memory and not for the log (leader-questions.ts). */
  readonly isQuestion?: boolean;
};

export type ForwardResponse = {
  readonly requestId: RequestId;
  /** An encoded result, or the code, outcome and message of a HoldfastError. */
  readonly result:
    | { readonly ok: true; readonly index: Index; readonly body: Uint8Array }
    | {
        readonly ok: false;
        readonly code: string;
        readonly outcome: string;
        readonly message: string;
      };
};

export type PeerEvent =
  | { readonly type: 'connected'; readonly peer: MemberId; readonly bootEpoch: number }
  /** `refused`: the machine answered that nobody listens there. */
  | { readonly type: 'unreachable'; readonly peer: MemberId; readonly refused: boolean };

/** A snapshot on its way from a peer to this member. */
export type IncomingSnapshot = {
  readonly from: MemberId;
  readonly snapshot: StoredSnapshot;
  /**
   * Asks for the bytes from `offset` on; once, and only if they are needed. A chunk is good until
   * the next one is asked for.
   */
  readonly chunksFrom: (offset: number) => AsyncIterable<Uint8Array>;
};

/** A snapshot on its way from this member to a peer; the signal breaks it off. */
export type OutgoingSnapshot = {
  readonly to: MemberId;
  readonly snapshot: StoredSnapshot;
  /** Called with what the peer has already, or not at all if it needs nothing. */
  readonly chunksFrom: (offset: number) => AsyncIterable<Uint8Array>;
  readonly signal: AbortSignal;
};

export interface PeerHandler {
  onMessage(message: Message): void;
  onForward(from: MemberId, requests: readonly ForwardRequest[]): void;
  onForwarded(from: MemberId, responses: readonly ForwardResponse[]): void;
  onPeerEvent(event: PeerEvent): void;
  /**
   * A peer streams a snapshot to this member. Resolves when it is verified, durable and loaded
   * beside the state.
   */
  onSnapshot(incoming: IncomingSnapshot): Promise<void>;
}

/** Best effort, in order per connection: what cannot be sent is dropped, and Raft repairs it. */
export interface PeerTransport {
  start(handler: PeerHandler): Promise<void>;
  /**
   * append-entries and their answers go on the log connection, all else on the control connection.
   */
  send(message: Message): void;
  /** False: no connection; the request certainly did not leave. */
  forward(to: MemberId, requests: readonly ForwardRequest[]): boolean;
  forwarded(to: MemberId, responses: readonly ForwardResponse[]): void;
  /** Resolves when the peer has stored the whole snapshot. */
  sendSnapshot(outgoing: OutgoingSnapshot): Promise<void>;
  /** Whether a control connection to the peer stands, as far as its pings tell. Never waits. */
  isConnected(peer: MemberId): boolean;
  close(): Promise<void>;
}

/** Who this member is; shown in every handshake (safety.md, bytes to have). */
export type MemberIdentity = {
  readonly clusterId: ClusterId;
  readonly memberId: MemberId;
  readonly storeId: StoreId;
  /** Increases with each start of this data directory. */
  readonly bootEpoch: number;
};
