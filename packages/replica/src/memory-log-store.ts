// The memory twin of the log store: three marks, no files. What was accepted and not synced is gone
// at the next open(), as after a crash. A sync can be held up or failed from outside.
import { assert } from '@holdfast/base/assert';
import { utf8 } from '@holdfast/base/bytes';
import { crc32 } from '@holdfast/base/crc32';
import { HoldfastError } from '@holdfast/base/errors';
import { type Index, index, term } from '@holdfast/base/ids';
import { decodeConfiguration, type PlacedConfiguration } from '@holdfast/raft/configuration';
import { type ChainedId, type Entry, entryBytes, type LogId } from '@holdfast/raft/entry';
import type { LogRecovery, LogStore } from './ports.ts';

export type MemoryLogStoreOptions = {
  /** Runs while a sync is on its way; what it throws is the sync's failure. */
  readonly duringSync?: () => Promise<void> | void;
  /** Runs when the marks have moved, before the caller is told: as while a new segment is made. */
  readonly afterSync?: () => Promise<void> | void;
};

const origin: LogId = { index: index(0), term: term(0) };

/** Any checksum that goes on from the one before serves here: no bytes are shared with a file. */
const chainOf = (entries: readonly Entry[], chain: number): number =>
  entries.reduce((before, { index: at, term: inTerm, kind, payload }) => {
    return crc32(payload, crc32(utf8(`${at} ${inTerm} ${kind}`), before));
  }, chain);

export class MemoryLogStore implements LogStore {
  readonly #options: MemoryLogStoreOptions;
  #entries: Entry[] = [];
  /** What a crash leaves. */
  #durable: Entry[] = [];
  #purged = origin;
  #purgedChain = 0;
  #persisted = origin;
  #commitHint = index(0);
  #failure: HoldfastError | undefined;
  #isClosed = false;
  #rot: LogRecovery['rot'];

  constructor(options: MemoryLogStoreOptions = {}) {
    this.#options = options;
  }

  get marks(): LogStore['marks'] {
    return { purged: this.#purged, accepted: this.#accepted, persisted: this.#persisted };
  }

  async open(): Promise<LogRecovery> {
    this.#isClosed = false;
    this.#failure = undefined;
    this.#entries = [...this.#durable];
    const last = this.#accepted;
    this.#persisted = last;
    return {
      purged: this.#purged,
      last,
      termRuns: termRunsOf(this.#entries),
      sizes: this.#entries.map(entryBytes),
      configurations: this.#entries.filter((entry) => entry.kind === 'membership').map(placed),
      commitHint: index(Math.min(this.#commitHint, last.index)),
      extent: { after: this.#chained([]), end: this.#chained(this.#entries) },
      tornBytes: 0,
      rot: this.#rot,
    };
  }

  /**
   * What was synced from `from` on is unreadable at the next open(), which says so until a sync.
   * `isEndKnown`: whether it can still tell up to where it had been synced.
   */
  rot(from: Index, isEndKnown = true): void {
    const end = this.#chained(this.#durable);
    this.#durable = this.#durable.filter((entry) => entry.index < from);
    const goal = { after: this.#chained(this.#durable), end };
    this.#rot = { from, reason: 'damaged', goal: isEndKnown ? goal : undefined };
  }

  accept(entries: readonly Entry[]): void {
    for (const entry of entries) {
      if (entry.index <= this.#purged.index) continue;
      const own = this.#at(entry.index);
      if (own?.term === entry.term) continue;
      if (own) this.#truncate(entry.index);
      assert(entry.index === this.#accepted.index + 1, 'accepted entries leave no hole');
      assert(entry.term >= this.#accepted.term, 'terms never decrease along the log');
      this.#entries.push(entry);
    }
  }

  async sync(commitHint: Index): Promise<LogId> {
    this.#throwIfFinished();
    const written = [...this.#entries];
    const hint = Math.max(this.#commitHint, commitHint);
    try {
      await this.#options.duringSync?.();
    } catch (error) {
      // A full disk has lost nothing; after anything else only a new open() can tell what is there.
      if (!(error instanceof HoldfastError) || error.code !== 'disk-full') this.#finish(error);
      throw this.#failure ?? error;
    }
    this.#throwIfFinished();
    this.#rot = undefined;
    this.#durable = written.filter((entry) => entry.index > this.#purged.index);
    this.#commitHint = index(hint);
    // What was truncated meanwhile is on the disk, but no longer in the log.
    const kept = written.filter((entry) => this.#at(entry.index) === entry);
    const last = kept[kept.length - 1];
    if (last && last.index > this.#persisted.index) this.#persisted = idOf(last);
    await this.#options.afterSync?.();
    return this.#persisted;
  }

  read(lo: Index, hi: Index, bytesMax: number): readonly Entry[] {
    assert(lo > this.#purged.index, 'purged entries are not read');
    assert(lo < hi && hi <= this.#accepted.index + 1, 'only accepted entries are read');
    const found: Entry[] = [];
    let bytes = 0;
    for (const entry of this.#entries.slice(lo - this.#first, hi - this.#first)) {
      bytes += entryBytes(entry);
      if (bytes > bytesMax && found.length > 0) break;
      found.push(entry);
    }
    return found;
  }

  chainAfter(entries: readonly Entry[], chain: number): number {
    return chainOf(entries, chain);
  }

  async purge(through: Index): Promise<LogId> {
    this.#throwIfFinished();
    const last = this.#at(index(Math.min(through, this.#persisted.index)));
    if (!last) return this.#purged;
    const dropped = this.#entries.filter((entry) => entry.index <= last.index);
    this.#purgedChain = chainOf(dropped, this.#purgedChain);
    this.#purged = idOf(last);
    this.#entries = this.#entries.filter((entry) => entry.index > last.index);
    this.#durable = this.#durable.filter((entry) => entry.index > last.index);
    return this.#purged;
  }

  async reset(last: LogId): Promise<void> {
    this.#throwIfFinished();
    this.#entries = [];
    this.#durable = [];
    this.#purged = last;
    this.#purgedChain = last.index;
    this.#persisted = last;
    this.#commitHint = last.index;
  }

  async close(): Promise<void> {
    this.#isClosed = true;
  }

  #chained(entries: readonly Entry[]): ChainedId {
    const last = entries[entries.length - 1];
    return { id: last ? idOf(last) : this.#purged, chain: chainOf(entries, this.#purgedChain) };
  }

  get #first(): number {
    return this.#purged.index + 1;
  }

  get #accepted(): LogId {
    const last = this.#entries[this.#entries.length - 1];
    return last ? idOf(last) : this.#purged;
  }

  #at(at: Index): Entry | undefined {
    return this.#entries[at - this.#first];
  }

  #truncate(from: Index): void {
    this.#entries.length = from - this.#first;
    if (this.#persisted.index >= from) this.#persisted = this.#accepted;
  }

  #finish(error: unknown): void {
    this.#failure ??= new HoldfastError('unavailable', 'the log has failed', {
      outcome: 'unknown',
      cause: error,
    });
  }

  #throwIfFinished(): void {
    if (this.#failure) throw this.#failure;
    if (this.#isClosed) throw new HoldfastError('shutting-down', 'the log is closed');
  }
}

const idOf = (entry: Entry): LogId => ({ index: entry.index, term: entry.term });

const placed = (entry: Entry): PlacedConfiguration => ({
  index: entry.index,
  configuration: decodeConfiguration(entry.payload),
});

function termRunsOf(entries: readonly Entry[]): LogRecovery['termRuns'] {
  const runs: LogRecovery['termRuns'][number][] = [];
  for (const entry of entries) {
    if (runs[runs.length - 1]?.term !== entry.term) {
      runs.push({ from: entry.index, term: entry.term });
    }
  }
  return runs;
}
