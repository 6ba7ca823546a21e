// The memory twin of the embedded engine: one member that is its own quorum, without a log. For the
// tests of doors and services. It keeps the Engine contract, including waits, watches and refusals;
// it never persists, and its reads are always linearizable.
import type { Clock, Timer } from '@holdfast/base/clock';
import { waitFor } from '@holdfast/base/deadline';
import { HoldfastError } from '@holdfast/base/errors';
import {
  type ClusterId,
  clusterId,
  index,
  type MemberId,
  memberId,
  type Revision,
  revision,
  storeId,
  term,
} from '@holdfast/base/ids';
import { ManualClock } from '@holdfast/base/manual-clock';
import type {
  CompactRequest,
  DeleteRangeRequest,
  DeleteRangeResponse,
  PutRequest,
  PutResponse,
  RangeRequest,
  RangeResponse,
  TxnRequest,
  TxnResponse,
} from '@holdfast/proto/internal';
import type {
  Answer,
  Engine,
  EngineStatus,
  ReadOptions,
  ResponseHeader,
  WatchItem,
  WatchRequest,
  WatchStream,
  WriteOptions,
} from './engine.ts';
import { MemoryStore, rangeHolds } from './memory-store.ts';

export type MemoryEngineOptions = {
  /** Times progress items; default: a clock that stands still. */
  readonly clock?: Clock;
  readonly clusterId?: ClusterId;
  readonly memberId?: MemberId;
};

export class MemoryEngine implements Engine {
  /** Thrown by every write (and every linearizable read) while set: a lost quorum, a full disk. */
  refusal: HoldfastError | undefined;
  /** What `header.ageMs` says of reads that are not linearizable. */
  ageMs: number | undefined = 0;

  readonly #clock: Clock;
  readonly #clusterId: ClusterId;
  readonly #memberId: MemberId;
  readonly #store = new MemoryStore();
  readonly #waiters = new Set<() => void>();
  #writes = 0;

  constructor(options: MemoryEngineOptions = {}) {
    this.#clock = options.clock ?? new ManualClock();
    this.#clusterId = options.clusterId ?? clusterId(0xc1n);
    this.#memberId = options.memberId ?? memberId(0x1n);
  }

  async range(request: RangeRequest, options: ReadOptions): Promise<Answer<RangeResponse>> {
    await this.#beforeRead(options);
    const linearizable = (options.consistency?.level ?? 'linearizable') === 'linearizable';
    return this.#answer(this.#store.range(request), linearizable ? 0 : this.ageMs);
  }

  put(request: PutRequest, options: WriteOptions): Promise<Answer<PutResponse>> {
    return this.#write(options, () => this.#store.put(request));
  }

  deleteRange(
    request: DeleteRangeRequest,
    options: WriteOptions,
  ): Promise<Answer<DeleteRangeResponse>> {
    return this.#write(options, () => this.#store.deleteRange(request));
  }

  txn(request: TxnRequest, options: WriteOptions): Promise<Answer<TxnResponse>> {
    return this.#write(options, () => this.#store.txn(request));
  }

  compact(request: CompactRequest, options: WriteOptions): Promise<Answer<undefined>> {
    return this.#write(options, () => this.#store.compact(request.revision) as undefined);
  }

  async watch(
    request: WatchRequest,
    options: Omit<ReadOptions, 'consistency'>,
  ): Promise<WatchStream> {
    options.signal?.throwIfAborted();
    if (options.minRevision !== undefined) await this.#reach(options.minRevision, options.signal);
    const from = request.startRevision ?? this.#store.revision + 1;
    this.#store.changeFrom(from); // Throws if that history is gone.
    return new MemoryWatch({
      store: this.#store,
      clock: this.#clock,
      request,
      from,
      signal: options.signal,
      waiters: this.#waiters,
    });
  }

  status(): EngineStatus {
    const at = index(this.#writes);
    return {
      clusterId: this.#clusterId,
      memberId: this.#memberId,
      storeId: storeId(1n),
      name: 'memory',
      version: '0.1.0',
      role: 'leader',
      leader: this.#memberId,
      term: term(1),
      commitIndex: at,
      appliedIndex: at,
      lastIndex: at,
      persistedIndex: at,
      purgedIndex: index(0),
      snapshotIndex: index(0),
      revision: this.#store.revision,
      compactRevision: this.#store.compactRevision,
      keys: this.#store.keyCount,
      bytes: 0,
      stateHash: 0n,
      ageMs: this.ageMs,
      peers: [],
      missingVoters: [],
      recovery: [],
      ready: this.refusal === undefined,
      notReadyReason: this.refusal?.message,
      counters: {},
    };
  }

  async #beforeRead(options: ReadOptions): Promise<void> {
    options.signal?.throwIfAborted();
    const consistency = options.consistency ?? { level: 'linearizable' };
    if (consistency.level === 'linearizable' && this.refusal) throw this.refusal;
    if (consistency.level === 'bounded') this.#requireFresh(consistency.maxAgeMs);
    if (options.minRevision !== undefined) await this.#reach(options.minRevision, options.signal);
  }

  #requireFresh(maxAgeMs: number): void {
    if (this.ageMs !== undefined && this.ageMs <= maxAgeMs) return;
    const age = this.ageMs === undefined ? 'unknown' : `${this.ageMs} ms`;
    throw new HoldfastError('stale-unknown', `the state's age is ${age}, asked: ${maxAgeMs} ms`);
  }

  async #write<T>(options: WriteOptions, run: () => T): Promise<Answer<T>> {
    options.signal?.throwIfAborted();
    if (this.refusal) throw this.refusal;
    await Promise.resolve(); // A proposal never answers in the caller's own turn.
    const body = run();
    this.#writes += 1;
    for (const wake of [...this.#waiters]) wake();
    return this.#answer(body, 0);
  }

  #answer<T>(body: T, ageMs: number | undefined): Answer<T> {
    const header: ResponseHeader = {
      clusterId: this.#clusterId,
      memberId: this.#memberId,
      revision: this.#store.revision,
      term: term(1),
      ageMs,
    };
    return { header, body };
  }

  async #reach(wanted: Revision, signal: AbortSignal | undefined): Promise<void> {
    while (this.#store.revision < wanted) {
      await waitForWake(this.#waiters, signal);
    }
  }
}

/** Resolves at the next write; the waiter is taken away however the wait ends. */
async function waitForWake(
  waiters: Set<() => void>,
  signal: AbortSignal | undefined,
): Promise<void> {
  let wake: () => void = () => undefined;
  const woken = new Promise<void>((resolve) => {
    wake = resolve;
  });
  waiters.add(wake);
  try {
    await waitFor(woken, signal);
  } finally {
    waiters.delete(wake);
  }
}

type MemoryWatchOptions = {
  readonly store: MemoryStore;
  readonly clock: Clock;
  readonly request: WatchRequest;
  readonly from: number;
  readonly signal: AbortSignal | undefined;
  readonly waiters: Set<() => void>;
};

class MemoryWatch implements WatchStream {
  readonly startedAt: Revision;
  readonly #options: MemoryWatchOptions;
  readonly #ended = new AbortController();
  #next: number;

  constructor(options: MemoryWatchOptions) {
    this.#options = options;
    this.#next = options.from;
    this.startedAt = options.store.revision;
  }

  close(): void {
    this.#ended.abort();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<WatchItem> {
    const { signal } = this.#options;
    const onAbort = (): void => this.close();
    signal?.addEventListener('abort', onAbort, { once: true });
    try {
      while (!this.#ended.signal.aborted && !signal?.aborted) {
        const item = this.#take() ?? (await this.#wait());
        if (item) yield item;
      }
    } finally {
      signal?.removeEventListener('abort', onAbort);
    }
    signal?.throwIfAborted();
  }

  /** The next change that concerns this watch, or undefined when it has caught up. */
  #take(): WatchItem | undefined {
    const { store, request } = this.#options;
    for (;;) {
      const change = store.changeFrom(this.#next);
      if (!change) return undefined;
      this.#next = change.revision + 1;
      const events = change.events
        .filter((one) => one.keyspace === request.keyspace && rangeHolds(request, one.kv.key))
        .map(({ type, kv, prevKv }) => ({ type, kv, prevKv: request.prevKv ? prevKv : undefined }));
      if (events.length > 0) return { type: 'events', revision: change.revision, events };
    }
  }

  /** Waits for a write, the end, or the time of a progress item. */
  async #wait(): Promise<WatchItem | undefined> {
    const { clock, request, waiters } = this.#options;
    const timeout = new AbortController();
    let timer: Timer | undefined;
    if (request.progressMs !== undefined) {
      timer = clock.schedule(request.progressMs, () => timeout.abort());
    }
    try {
      await waitForWake(waiters, AbortSignal.any([this.#ended.signal, timeout.signal]));
      return undefined;
    } catch (error) {
      if (!this.#ended.signal.aborted && !timeout.signal.aborted) throw error;
      return this.#ended.signal.aborted ? undefined : this.#progress();
    } finally {
      timer?.cancel();
    }
  }

  /** Never ahead of an event that is owed (safety.md 22): a watch on the future stays silent. */
  #progress(): WatchItem | undefined {
    const { store } = this.#options;
    const at = store.revision;
    if (at < this.#next - 1 || store.changeFrom(this.#next)) return undefined;
    return { type: 'progress', revision: revision(at) };
  }
}
