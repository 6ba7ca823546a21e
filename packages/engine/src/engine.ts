// The waist. Every door and every service talks to this interface and nothing below it; the shapes
// are etcd's data model. The embedded engine is a replica with its store; another could be a remote
// cluster. An Engine is one group's key-value world as seen from one member.
import type { HoldfastError } from '@holdfast/base/errors';
import type { ClusterId, Index, MemberId, Revision, StoreId, Term } from '@holdfast/base/ids';
import type { AccessRules } from '@holdfast/domain/access-rules';
import type { Subject } from '@holdfast/domain/subject';
import type {
  CompactRequest,
  DeleteRangeRequest,
  DeleteRangeResponse,
  KeyValue,
  PutRequest,
  PutResponse,
  RangeRequest,
  RangeResponse,
  SetQuotaRequest,
  TxnRequest,
  TxnResponse,
} from '@holdfast/proto/internal';
import type { DiskState } from '@holdfast/raft/message';
import type { IntegrityStatus, ScrubStatus } from './integrity-status.ts';

/**
 * How fresh a read must be. `bounded` is refused with `stale-unknown` when the age is not known.
 */
export type Consistency =
  | { readonly level: 'linearizable' }
  | { readonly level: 'bounded'; readonly maxAgeMs: number }
  | { readonly level: 'stale' };

/** Where answers wait for whoever asked to read them. */
export interface AnswerRoom {
  /** No further answer should be made before one was read. */
  readonly isFull: boolean;
  /** Until there is room for one. Rejects with `resource-exhausted` when the signal ends before. */
  wait(signal?: AbortSignal): Promise<void>;
  /** Told of each answer as soon as it is made. */
  heed(body: RangeResponse): void;
}

export type ReadOptions = {
  readonly actor: string;
  /**
   * Who is proven to ask. What it may do is judged by the rules of the very state that is read, or
   * that a write is applied to; undefined: nobody, who may do everything while access control is
   * off, and nothing while it is on.
   */
  readonly subject?: Subject | undefined;
  /** Default: linearizable. */
  readonly consistency?: Consistency;
  /** Waits until this member has applied that revision (read your writes). */
  readonly minRevision?: Revision;
  readonly signal?: AbortSignal;
  /** Of a range: asked before it is read, and told what was. Undefined: there is always room. */
  readonly room?: AnswerRoom | undefined;
  /** Of a range: its count may end one beyond its limit. At an old revision a count is a walk. */
  readonly uncounted?: boolean;
};

/**
 * Where in a session a write stands (safety.md 21). A repeated write, whatever else it says by
 * then, answers as the first one with its sequence did.
 */
export type SessionPlace = {
  readonly id: bigint;
  /** From 1 on, another one for each write. */
  readonly sequence: bigint;
  /** The lowest sequence whose answer may still be asked for; what lies below is forgotten. */
  readonly lowestPending: bigint;
};

export type WriteOptions = {
  /** Who asks, as history and audit show it: `unverified:127.0.0.1` where no identity is known. */
  readonly actor: string;
  /** As of a read. */
  readonly subject?: Subject | undefined;
  readonly traceId?: bigint;
  /** Throws `session-expired` where the session is not known (any more): nothing was applied. */
  readonly session?: SessionPlace;
  readonly signal?: AbortSignal;
};

export type LeaseTime = {
  readonly id: bigint;
  /** As it was granted. */
  readonly ttlMs: number;
  /** Of the leader's count. */
  readonly remainingMs: number;
};

export type LeasedKey = { readonly keyspace: number; readonly key: Uint8Array };

export type LeaderOptions = {
  readonly actor: string;
  /** As of a read; judged by this member's own state. */
  readonly subject?: Subject | undefined;
  readonly signal?: AbortSignal;
};

/** Stands on every answer. */
export type ResponseHeader = {
  readonly clusterId: ClusterId;
  readonly memberId: MemberId;
  /** The store's revision after the write, or at which the read was made. */
  readonly revision: Revision;
  readonly term: Term;
  /**
   * Upper bound of the answer's age (safety.md 19); undefined = unknown. Zero for a linearizable
   * read.
   */
  readonly ageMs: number | undefined;
};

export type Answer<T> = { readonly header: ResponseHeader; readonly body: T };

export type WatchRequest = {
  readonly keyspace: number;
  readonly key: Uint8Array;
  /** As in RangeRequest: empty = one key, one zero byte = all keys from `key` on. */
  readonly rangeEnd: Uint8Array;
  /** The first revision wanted; undefined = the one after the current. */
  readonly startRevision?: Revision;
  readonly prevKv?: boolean;
  /** Yields a `progress` item after this long without an event; undefined = never. */
  readonly progressMs?: number;
};

export type WatchEvent = {
  readonly type: 'put' | 'delete';
  /** For a delete: the key, and the delete's revision as modRevision; no value. */
  readonly kv: KeyValue;
  readonly prevKv: KeyValue | undefined;
};

/**
 * All events of one transaction stay together; `progress` means: nothing below `revision` is owed.
 */
export type WatchItem =
  | { readonly type: 'events'; readonly revision: Revision; readonly events: readonly WatchEvent[] }
  | { readonly type: 'progress'; readonly revision: Revision };

/**
 * Items in revision order, each once, none skipped. Pulled: a slow reader costs no memory, because
 * history is kept by the store. Throws `compacted` (details.compactRevision) where history is gone,
 * and `permission-denied` or `unauthenticated` before the first item that is not allowed any more.
 */
export interface WatchStream extends AsyncIterable<WatchItem> {
  /** The store's revision at which the watch stands at its start. */
  readonly startedAt: Revision;
  close(): void;
}

export type PulledRequest = Omit<WatchRequest, 'progressMs'>;

/** The events of one transaction, all that the watch wants of them. */
export type WatchBatch = { readonly revision: Revision; readonly events: readonly WatchEvent[] };

/** A watch that its reader asks for what there is. */
export interface PulledWatch {
  /** More can be read now; else all up to the present revision was given. */
  readonly behind: boolean;
  close(): void;
}

/** Any number of watches of one reader; each costs a cursor, and no more while it is not read. */
export interface PulledWatches {
  /** Of the state that is watched, now. */
  readonly revision: Revision;
  /**
   * To be waited for before a watch is opened: a member that is behind must not refuse what was
   * granted. Undefined: it need not wait. Rejects as `open` throws.
   */
  admit(request: PulledRequest): Promise<undefined> | undefined;
  /**
   * `onReady` is called when the watch has more to read, once until `next` was empty; it may ask
   * for a turn, and nothing else. Whoever opens a watch closes it. Throws `compacted` or
   * `invalid-argument`; `permission-denied`, `unauthenticated` for what the reader may not watch.
   */
  open(request: PulledRequest, onReady: () => void): PulledWatch;
  /**
   * The next revisions that have events, in order, about `limit` events or 64 KiB in all; empty
   * when there are none now. Those who watch the same are given the same objects. Throws
   * `compacted`, and what `open` throws of the reader's rights.
   */
  next(watch: PulledWatch, limit: number): readonly WatchBatch[];
  /** To be asked before what `next` gave is told later. Throws what `open` does of rights. */
  require(request: PulledRequest): void;
  /**
   * Runs `read` when it is this reader's turn among those of the member; it answers how many bytes
   * it came to, must not throw, and may ask for another turn.
   */
  askTurn(read: () => number): void;
  /** Nothing is told any more. */
  close(): void;
}

export type PeerStatus = {
  readonly memberId: MemberId;
  readonly name: string;
  readonly peerAddresses: readonly string[];
  readonly clientAddresses: readonly string[];
  readonly role: 'leader' | 'follower' | 'candidate' | 'observer' | 'unknown';
  /** Whether this member has a live control connection to it (true for itself). */
  readonly reachable: boolean;
  readonly lastContactMs: number | undefined;
  /** Known on the leader: entries that the member lacks. */
  readonly lag: number | undefined;
  readonly match: Index | undefined;
};

export type RecoveryPhase = {
  readonly name: string;
  readonly state: 'waiting' | 'running' | 'done' | 'failed';
  readonly durationMs: number | undefined;
  /** 0 to 1 while running, where it can be known. */
  readonly progress: number | undefined;
  readonly amount:
    | { readonly unit: 'bytes' | 'entries'; readonly done: number; readonly total: number }
    | undefined;
  /** To the end of this phase, if it goes on as it went so far. */
  readonly etaMs: number | undefined;
  readonly detail: string;
};

/** What the last start found amiss, and has dealt with. */
export type RecoveryFindings = {
  readonly statusCopiesBad: number;
  readonly tornBytes: number;
  /** Damage in the log that only others can repair. */
  readonly damaged: { readonly from: Index; readonly reason: string } | undefined;
};

/** A snapshot that this member gets from another one. */
export type InstallStatus = {
  readonly from: MemberId;
  readonly step: 'receiving' | 'loading' | 'switching';
  /** Of the step. */
  readonly doneBytes: number;
  readonly totalBytes: number;
};

/** The lost range of this member's log, on its way from a peer (safety.md 5). */
export type RepairStatus = {
  readonly from: Index;
  readonly through: Index;
  /** Verified so far. */
  readonly fetched: Index;
  readonly peer: MemberId | undefined;
  /** In words: what is awaited now. */
  readonly waitsFor: string;
};

export type EngineStatus = {
  readonly clusterId: ClusterId;
  readonly memberId: MemberId;
  readonly storeId: StoreId;
  readonly name: string;
  readonly version: string;
  readonly role: 'leader' | 'follower' | 'candidate' | 'observer' | 'repairing' | 'starting';
  readonly leader: MemberId | undefined;
  readonly term: Term;
  readonly commitIndex: Index;
  readonly appliedIndex: Index;
  readonly lastIndex: Index;
  readonly persistedIndex: Index;
  readonly purgedIndex: Index;
  readonly snapshotIndex: Index;
  readonly revision: Revision;
  readonly compactRevision: Revision;
  readonly keys: number;
  readonly bytes: number;
  readonly stateHash: bigint;
  /** Age of this member's own state, as a stale read would show it. */
  readonly ageMs: number | undefined;
  readonly peers: readonly PeerStatus[];
  /** Voters that this member cannot reach now. */
  readonly missingVoters: readonly MemberId[];
  readonly recovery: readonly RecoveryPhase[];
  /** Undefined until the files have been read. */
  readonly findings: RecoveryFindings | undefined;
  readonly install: InstallStatus | undefined;
  /** Own snapshots that could not be written since one was; why the last could not. */
  readonly snapshotFailures: { readonly count: number; readonly last: string | undefined };
  /**
   * There is a leader, and for so long nothing was committed, which even an idle one does every
   * few seconds. Undefined: nothing is amiss.
   */
  readonly stalledMs: number | undefined;
  /** `low`: it is full but for its reserve; `unable`: it takes no writes now (safety.md 9). */
  readonly disk: DiskState;
  /** What is refused for want of room, in sentences; reads and deletes never are. */
  readonly limits: readonly string[];
  /** Undefined while repairing: only a leader can fill the log again. */
  readonly repair: RepairStatus | undefined;
  /** All that was known to be committed before the start is applied; `ready` comes later. */
  readonly initialised: boolean;
  /** Serving since the first read barrier after the start. */
  readonly ready: boolean;
  /** Why not ready, in a sentence; undefined when ready. */
  /** What was compared with the other members; undefined on an engine that is alone. */
  readonly integrity: IntegrityStatus | undefined;
  /** What was read again at rest; undefined where nothing is. */
  readonly scrub: ScrubStatus | undefined;
  readonly notReadyReason: string | undefined;
  /** Counters and gauges for /metrics, by their metric names without the prefix. */
  readonly counters: Readonly<Record<string, number>>;
};

/** What lives in a keyspace or a namespace of it, and how much may; 0: as much as fits. */
export type QuotaUse = {
  readonly keyspace: number;
  /** Empty: the whole keyspace. */
  readonly namespace: string;
  readonly bytes: number;
  readonly bytesMax: number;
};

export interface Engine {
  /** Who may do what, as this member's state has it now; at no cost while that stays as it is. */
  readonly accessRules: AccessRules;
  range(request: RangeRequest, options: ReadOptions): Promise<Answer<RangeResponse>>;
  put(request: PutRequest, options: WriteOptions): Promise<Answer<PutResponse>>;
  deleteRange(
    request: DeleteRangeRequest,
    options: WriteOptions,
  ): Promise<Answer<DeleteRangeResponse>>;
  /** `header.revision` is that of the transaction if it wrote. */
  txn(request: TxnRequest, options: WriteOptions): Promise<Answer<TxnResponse>>;
  compact(request: CompactRequest, options: WriteOptions): Promise<Answer<undefined>>;
  /**
   * The id is chosen here unless it is given (above zero); a taken one is `already-exists`. Leases
   * and sessions are refused with `failed-precondition` while a member does not understand them.
   */
  leaseGrant(
    request: { readonly ttlMs: number; readonly id?: bigint | undefined },
    options: WriteOptions,
  ): Promise<Answer<{ readonly id: bigint; readonly ttlMs: number }>>;
  /** The lease's keys vanish with it, in one revision. `not-found` for an unknown one. */
  leaseRevoke(id: bigint, options: WriteOptions): Promise<Answer<{ readonly deleted: number }>>;
  /**
   * The lease lives for its full time from here on, whoever leads then (safety.md 20). `not-found`
   * for one that there is not, or that is being ended. Safe to repeat.
   */
  leaseKeepAlive(id: bigint, options: LeaderOptions): Promise<Answer<LeaseTime>>;
  leaseTimeToLive(
    id: bigint,
    options: LeaderOptions & { readonly keys?: boolean | undefined },
  ): Promise<Answer<LeaseTime & { readonly keys: readonly LeasedKey[] | undefined }>>;
  /** The first `limit` in the order in which they were granted, and how many there are. */
  leases(
    request: { readonly limit: number },
    options: ReadOptions,
  ): Promise<Answer<{ readonly ids: readonly bigint[]; readonly count: number }>>;
  /** With an id of the caller's own it is safe to repeat. */
  sessionRegister(
    request: { readonly ttlMs: number; readonly id?: bigint | undefined },
    options: WriteOptions,
  ): Promise<Answer<{ readonly id: bigint; readonly ttlMs: number }>>;
  /** Throws `session-expired`, as the next does. Every write of a session does the same. */
  sessionKeepAlive(id: bigint, options: WriteOptions): Promise<Answer<undefined>>;
  sessionClose(id: bigint, options: WriteOptions): Promise<Answer<undefined>>;
  /**
   * How many bytes of living keys a keyspace, or a namespace of configurations, may hold; 0 lifts
   * the limit. A write that grows it beyond is `quota-exceeded`; deletes always go.
   */
  setQuota(request: SetQuotaRequest, options: WriteOptions): Promise<Answer<undefined>>;
  /** Each scope that holds anything or is limited, with what it holds. */
  quotas(options: ReadOptions): Promise<Answer<readonly QuotaUse[]>>;
  /** Rejects with `compacted` if the start is below the compact revision. */
  watch(request: WatchRequest, options: Omit<ReadOptions, 'consistency'>): Promise<WatchStream>;
  /**
   * For one reader of many watches, as who it is proven to be. `onFail` is called once if somebody
   * else ends them: the member stops, or its state is in doubt. Throws where `watch` would reject
   * for that.
   */
  pull(onFail: (reason: HoldfastError) => void, subject: Subject | undefined): PulledWatches;
  /** Of this member's own state, of unknown age. Never waits, as the next two. */
  header(): ResponseHeader;
  /** Whom this member takes for the leader, itself included. */
  leader(): MemberId | undefined;
  /** Asks no peer. */
  status(): EngineStatus;
}
