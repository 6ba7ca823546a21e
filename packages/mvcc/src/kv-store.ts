// The replicated state machine: what the replica applies committed entries to, what the engine
// reads from and watches. It owns the current state and its readers; it never waits, except in
// restore(), and never looks at a clock, a disk or a socket.
import { assert } from '@holdfast/base/assert';
import { HoldfastError } from '@holdfast/base/errors';
import { type Index, index, type Revision, type Term } from '@holdfast/base/ids';
import type {
  BindMemberRequest,
  RangeRequest,
  RangeResponse,
  StateReportRequest,
  TxnRequest,
  TxnResponse,
} from '@holdfast/proto/internal';
import { applyEntry, type EntryResult } from './applier.ts';
import type { YieldNow } from './image-format.ts';
import { loadImage } from './image-loader.ts';
import { readTxn } from './key-commands.ts';
import { LeaseView } from './lease-view.ts';
import type { QuotaUse } from './quota-table.ts';
import { checkRevision, type RangeHints, readRange } from './range-reader.ts';
import { Reclaimer } from './reclaimer.ts';
import { defaultSlabBytes } from './record-heap.ts';
import { hashRevision, type RevisionHash } from './revision-hash.ts';
import { SessionView } from './session-view.ts';
import { digestFormat, StateDigester } from './state-digest.ts';
import { StoreImage } from './store-image.ts';
import { defaultStoreLimits, type StoreLimits } from './store-limits.ts';
import { type KeyWrite, StoreState } from './store-state.ts';
import { checkRange } from './txn-check.ts';
import type { WatchCursor } from './watch-cursor.ts';
import { WatchHub, type WatchOptions } from './watch-hub.ts';

/** A committed entry, as raft/entry.ts has it. */
export type AppliedEntry = {
  readonly index: Index;
  /** Of the leader that wrote it: what it says about leases holds in its own term alone. */
  readonly term: Term;
  readonly kind: 'command' | 'empty' | 'membership';
  readonly payload: Uint8Array;
};

/** Runs the load of a state, of which all that is taken in stays. */
type WhileLoading = <T>(load: () => Promise<T>) => Promise<T>;

export type KvStoreOptions = {
  /** Lets the event loop run between two slices of an image or a restore. */
  readonly yieldNow: YieldNow;
  /** The same on every member, always: they decide what apply answers. */
  readonly limits?: Partial<StoreLimits>;
  /**
   * Size of a block of records in memory, at most and by default 1 MiB; each member as it likes.
   */
  readonly slabBytes?: number;
  /** Goes around each load of an image; nothing by default. */
  readonly whileLoading?: WhileLoading | undefined;
  /** Hears of comparisons with other members. */
  readonly checks?: StateChecks | undefined;
};

/** Called in the middle of apply(), in the order of the log: what they do must be short. */
export type StateChecks = {
  /** A check was applied: the state as it is right after it, which writes do not wait for. */
  readonly onCheck: (digester: StateDigester) => void;
  readonly onReport: (report: StateReportRequest) => void;
  /** From this entry on, other members count. */
  readonly onMembership: (entry: AppliedEntry) => void;
};

/** A state that was loaded beside the live one. */
export type PreparedStore = {
  readonly stateHash: bigint;
  /** Takes the place of the live state, which is no further than it; watches go on. */
  takeOver(): void;
};

export class KvStore {
  readonly leases: LeaseView;
  readonly sessions: SessionView;
  readonly #yieldNow: YieldNow;
  readonly #limits: StoreLimits;
  readonly #slabBytes: number;
  readonly #whileLoading: WhileLoading;
  readonly #watches: WatchHub;
  readonly #checks: StateChecks | undefined;
  #digester: StateDigester | undefined;
  #isCheckAsked = false;
  #state: StoreState;
  #reclaimer: Reclaimer;

  constructor(options: KvStoreOptions) {
    this.#yieldNow = options.yieldNow;
    this.#limits = { ...defaultStoreLimits, ...options.limits };
    this.#slabBytes = options.slabBytes ?? defaultSlabBytes;
    this.#whileLoading = options.whileLoading ?? ((load) => load());
    this.#checks = options.checks;
    this.#state = new StoreState({ slabBytes: this.#slabBytes });
    this.#watches = new WatchHub(this.#state);
    this.#reclaimer = new Reclaimer(this.#state);
    this.leases = new LeaseView(() => this.#state);
    this.sessions = new SessionView(() => this.#state);
    this.#listen();
  }

  /**
   * Applies committed entries in order. A result for each command, a list of them for each group,
   * undefined for the others. Throws `version-mismatch` at an entry that a newer version wrote,
   * after applying those before it: the member must stop there.
   */
  apply(entries: readonly AppliedEntry[]): readonly (EntryResult | undefined)[] {
    const results = entries.map((entry) => this.#applyOne(entry));
    this.#watches.flush();
    return results;
  }

  get appliedIndex(): Index {
    return index(this.#state.appliedIndex);
  }

  /** Equal on all members at equal applied index (safety.md 10). */
  get stateHash(): bigint {
    return this.#state.hash.value;
  }

  get revision(): Revision {
    return this.#state.revision as Revision;
  }

  /** The oldest revision that can be read; 0 before the first compaction. */
  get compactRevision(): Revision {
    return this.#state.compactRevision as Revision;
  }

  /** Wall time of the last applied command's leader; the next command's is not lower. */
  get lastProposedAtMs(): number {
    return this.#state.lastProposedAtMs;
  }

  /** Living keys of all keyspaces. */
  get keys(): number {
    return this.#state.keyCount;
  }

  /** Bytes of all uncompacted records: what the quota counts, the same on every member. */
  get bytes(): number {
    return this.#state.bytes;
  }

  /** Memory of this member's slabs. */
  get residentBytes(): number {
    return this.#state.heap.residentBytes;
  }

  /** Bytes that a compaction at the current revision would set free. */
  get garbageBytes(): number {
    return this.#state.garbageBytes;
  }

  /** What lives in each keyspace and namespace, and how much may. */
  get quotas(): readonly QuotaUse[] {
    return this.#state.quotas.uses;
  }

  get watcherCount(): number {
    return this.#watches.count;
  }

  /** Of the access rules in force (access-gate.ts); 0: none are. */
  get accessRevision(): number {
    return this.#state.access.revision;
  }

  get clusterVersion(): number {
    return this.#state.members.clusterVersion;
  }

  /**
   * Every member that has bound its data directory, in the order of their ids, with those that are
   * expected or were removed; another list after each change.
   */
  members(): readonly BindMemberRequest[] {
    return this.#state.members.members;
  }

  /**
   * Reads a range at its revision (0 = now). Keys and values are views: valid for ever, but each
   * pins up to a megabyte while it is held. Throws `compacted`, `future-revision`,
   * `invalid-argument`.
   */
  range(request: RangeRequest, hints?: RangeHints): RangeResponse {
    checkRange(request, this.#limits);
    checkRevision(this.#state, request.revision);
    return readRange(this.#state, request, hints);
  }

  /** A transaction that writes in no branch. Throws what applying it would fail with. */
  readTxn(request: TxnRequest): TxnResponse {
    return readTxn(this.#state, request, this.#limits);
  }

  /** See WatchHub.subscribe. */
  watch(options: WatchOptions, onReady: () => void): WatchCursor {
    return this.#watches.subscribe(options, onReady);
  }

  /** The newest revision known to be made at or before that wall time of the log, or 0. */
  revisionAt(timeMs: number): Revision {
    return this.#state.times.revisionAt(timeMs) as Revision;
  }

  /** The lowest revision whose compaction sets at least so many bytes free. */
  revisionFreeing(bytes: number): Revision {
    const { revisions, compactRevision } = this.#state;
    return revisions.revisionFreeing(revisions.freedAt(compactRevision) + bytes) as Revision;
  }

  /** Whether compactions have left memory to give back. */
  get reclaimPending(): boolean {
    return this.#reclaimer.pending;
  }

  /**
   * Gives some of it back, looking at about `recordsMax` records; answers whether there is more.
   */
  reclaim(recordsMax: number): boolean {
    return this.#reclaimer.step(recordsMax);
  }

  /**
   * The state as it is now, encoded while it goes on; nothing is reclaimed before it is released,
   * or encoded to its end.
   */
  image(): StoreImage {
    const state = this.#state;
    state.images += 1;
    return new StoreImage(state, this.#yieldNow, () => {
      state.images -= 1;
    });
  }

  /** What every member at this index has the same of, whatever its memory did since. */
  digester(): StateDigester {
    const state = this.#state;
    state.images += 1;
    return new StateDigester(state, () => {
      state.images -= 1;
    });
  }

  /**
   * Of all that is kept up to that revision (0 = now), while the state goes on. Throws `compacted`
   * and `future-revision`.
   */
  async hashRevision(asked: number): Promise<RevisionHash> {
    const state = this.#state;
    checkRevision(state, asked);
    state.images += 1;
    try {
      return await hashRevision(state, asked > 0 ? asked : state.revision, this.#yieldNow);
    } finally {
      state.images -= 1;
    }
  }

  /**
   * Loads an image beside the state, which goes on meanwhile. Throws `corrupt`, `version-mismatch`,
   * or `failed-precondition` when the image is not the one of `last` or is behind what has been
   * applied.
   */
  async prepare(
    last: { readonly index: Index },
    chunks: AsyncIterable<Uint8Array>,
  ): Promise<PreparedStore> {
    const options = { yieldNow: this.#yieldNow, slabBytes: this.#slabBytes };
    const state = await this.#whileLoading(() => loadImage(chunks, options));
    if (state.appliedIndex !== last.index || state.appliedIndex < this.#state.appliedIndex) {
      throw new HoldfastError(
        'failed-precondition',
        `the image of index ${state.appliedIndex} cannot stand for index ${last.index}: ` +
          `entries up to ${this.#state.appliedIndex} are applied`,
      );
    }
    return { stateHash: state.hash.value, takeOver: () => this.#adopt(state) };
  }

  /** Replaces the state by an image's, all at once and only when it is whole; throws as prepare. */
  async restore(last: { readonly index: Index }, chunks: AsyncIterable<Uint8Array>): Promise<void> {
    (await this.prepare(last, chunks)).takeOver();
  }

  /**
   * For tests alone: turns one bit of the memory that holds a key's present value, as a cosmic ray
   * would, past everything that watches over changes. Answers whether there was one to turn.
   */
  spoil(keyspace: number, key: Uint8Array, bit: number): boolean {
    const address = this.#state.current(keyspace, key);
    const value = address === 0 ? undefined : this.#state.heap.value(address);
    if (!value || bit >= value.length * 8) return false;
    value[bit >>> 3] = (value[bit >>> 3] as number) ^ (1 << (bit & 7));
    return true;
  }

  /**
   * The state begins the life of another cluster: nobody is bound in it, and with `leap` it goes on
   * at a later revision, from which on alone it can be watched. Not replicated: for a restore,
   * before anybody lives with the state. The hash stays the old one's unless it leaps.
   */
  rebirth(leap?: { readonly revision: Revision; readonly write: KeyWrite }): void {
    assert(this.#watches.count === 0, 'nobody watches a state that is not lived with yet');
    const state = this.#state;
    state.members.forgetAll();
    if (!leap) return;
    if (state.compactRevision < state.revision) state.compact(state.revision);
    state.skipTo(leap.revision);
    state.put(leap.write);
    state.seal(state.lastProposedAtMs);
    state.compact(leap.revision);
  }

  /** One line for logs and the simulator's timeline. */
  describe(): string {
    const { revision, compactRevision, bytes } = this.#state;
    return (
      `applied=${this.appliedIndex} revision=${revision} compacted=${compactRevision} ` +
      `keys=${this.keys} bytes=${bytes} hash=${this.stateHash.toString(16).padStart(16, '0')}`
    );
  }

  /** Checks the whole state; for tests and the simulator. */
  validate(): void {
    this.#state.validate();
    this.#state.sessions.validate(this.#limits.sessionInFlightMax);
  }

  #applyOne(entry: AppliedEntry): EntryResult | undefined {
    const state = this.#state;
    assert(entry.index === state.appliedIndex + 1, 'entries are applied in order, each once');
    const result = entry.kind === 'command' ? applyEntry(state, entry, this.#limits) : undefined;
    state.appliedIndex = entry.index;
    if (entry.kind === 'membership') this.#checks?.onMembership(entry);
    if (this.#isCheckAsked) this.#beginCheck();
    return result;
  }

  /** One at a time: the newest is the one that the others look at as well. */
  #beginCheck(): void {
    this.#isCheckAsked = false;
    if (!this.#checks) return;
    this.#digester?.release();
    this.#digester = this.digester();
    this.#checks.onCheck(this.#digester);
  }

  #adopt(state: StoreState): void {
    assert(state.appliedIndex >= this.#state.appliedIndex, 'a state only moves forward');
    state.leases.generation = this.#state.leases.generation + 1;
    this.#state.onMutation = undefined;
    this.#state.onCheck = undefined;
    this.#state.onReport = undefined;
    // Of a state that nobody reads any more.
    this.#digester?.release();
    this.#state = state;
    this.#reclaimer = new Reclaimer(state);
    this.#listen();
    this.#watches.replaceState(state);
  }

  #listen(): void {
    this.#state.onMutation = (address) => this.#watches.note(address);
    // Who does not know how the digest is made reports nothing: another one would look odd.
    this.#state.onCheck = ({ format }) => {
      this.#isCheckAsked = format === digestFormat;
    };
    this.#state.onReport = this.#checks?.onReport;
  }
}
