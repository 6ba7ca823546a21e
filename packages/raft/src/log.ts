// The core's view of the Raft log: which LogIds it holds and how large the entries are. Payloads
// live in storage; only those of entries that no Ready has handed out yet wait here.
//
//      purged            persisted              last
//   ─────┼───────────────────┼────────────────────┤
//        │  in the log store, synced │ accepted, not yet synced
import { assert, violated } from '@holdfast/base/assert';
import { advance, type Index, index, minIndex, next, type Term, term } from '@holdfast/base/ids';
import { type Entry, entryBytes, type LogId } from './entry.ts';

export type TermRun = { readonly from: Index; readonly term: Term };

export const beforeLog: LogId = { index: index(0), term: term(0) };

export type LogOptions = {
  readonly purged: LogId;
  /** Runs of equal term that cover (purged, last]. */
  readonly termRuns: readonly TermRun[];
  /** Bytes of each entry in (purged, last]. */
  readonly sizes: readonly number[];
};

/** What a Log consists of between a Ready and the next input. */
export type LogCapture = LogOptions & { readonly persisted: Index };

export class Log {
  #purged: LogId;
  #persisted: Index;
  #runs: TermRun[];
  // Sizes of (sizesFrom, last]; the head is dropped lazily, so that a purge costs no copy each
  // time.
  #sizes: number[];
  #sizesFrom: Index;
  #pending: Entry[] = [];

  constructor(options: LogOptions) {
    this.#purged = options.purged;
    this.#runs = [...options.termRuns];
    this.#sizes = [...options.sizes];
    this.#sizesFrom = options.purged.index;
    this.#persisted = this.last.index;
  }

  static resume(capture: LogCapture): Log {
    const log = new Log(capture);
    log.#persisted = capture.persisted;
    return log;
  }

  capture(): LogCapture {
    assert(this.#pending.length === 0, 'a log is captured when its entries were handed out');
    return {
      purged: this.#purged,
      persisted: this.#persisted,
      termRuns: [...this.#runs],
      sizes: this.#sizes.slice(this.#purged.index - this.#sizesFrom),
    };
  }

  get purged(): LogId {
    return this.#purged;
  }

  get persisted(): Index {
    return this.#persisted;
  }

  get last(): LogId {
    const lastIndex = advance(this.#sizesFrom, this.#sizes.length);
    const run = this.#runs[this.#runs.length - 1];
    return run ? { index: lastIndex, term: run.term } : this.#purged;
  }

  /**
   * The term at `at`, or undefined where this log has no entry (purged itself still knows its
   * term).
   */
  termAt(at: Index): Term | undefined {
    if (at === this.#purged.index) return this.#purged.term;
    if (at < this.#purged.index || at > this.last.index) return undefined;
    return this.#runs[this.#runPosition(at)]?.term;
  }

  has(id: LogId): boolean {
    return this.termAt(id.index) === id.term;
  }

  /** The first index that is still here and has the same term as `at`. */
  firstOfTerm(at: Index): Index {
    if (at <= this.#purged.index) return this.#purged.index;
    return this.#runs[this.#runPosition(at)]?.from ?? next(this.#purged.index);
  }

  /** The largest index <= `at` whose term is <= `bound`, as far as this log can tell: `at` itself
   * where it lies below the purge mark, the mark where every later term is larger. */
  lastAtOrBelowTerm(at: Index, bound: Term): Index {
    if (at <= this.#purged.index) return at;
    let position = this.#runPosition(minIndex(at, this.last.index));
    let end = minIndex(at, this.last.index);
    while (position >= 0) {
      const run = this.#runs[position] as TermRun;
      if (run.term <= bound) return end;
      end = advance(run.from, -1);
      position -= 1;
    }
    return this.#purged.index;
  }

  sizeAt(at: Index): number {
    const size = this.#sizes[at - this.#sizesFrom - 1];
    return size ?? violated(`the log holds entry ${at}`);
  }

  /**
   * Where a message that starts at `lo` ends (exclusive): at least one entry, within both limits.
   */
  messageEnd(
    lo: Index,
    bytesMax: number,
    countMax: number,
  ): { readonly hi: Index; readonly bytes: number } {
    const end = Math.min(this.last.index + 1, lo + countMax);
    let at: number = lo;
    let bytes = 0;
    while (at < end) {
      const size = this.sizeAt(index(at));
      if (at > lo && bytes + size > bytesMax) break;
      bytes += size;
      at += 1;
    }
    return { hi: index(at), bytes };
  }

  append(entry: Entry): void {
    const { index: lastIndex, term: lastTerm } = this.last;
    assert(entry.index === lastIndex + 1, 'entries are appended without a gap');
    assert(entry.term >= lastTerm, 'terms never decrease along the log');
    const run = this.#runs[this.#runs.length - 1];
    if (run?.term !== entry.term) this.#runs.push({ from: entry.index, term: entry.term });
    this.#sizes.push(entryBytes(entry));
    this.#pending.push(entry);
  }

  /** Drops `from` and everything after it. */
  truncate(from: Index): void {
    assert(from > this.#purged.index, 'what was purged is not truncated');
    this.#sizes.length = Math.min(this.#sizes.length, from - this.#sizesFrom - 1);
    while (this.#runs.length > 0 && (this.#runs[this.#runs.length - 1] as TermRun).from >= from) {
      this.#runs.pop();
    }
    this.#pending = this.#pending.filter((entry) => entry.index < from);
    this.#persisted = minIndex(this.#persisted, advance(from, -1));
  }

  /** Takes the word of the log store, unless that place was truncated while the sync ran. */
  markPersisted(id: LogId): boolean {
    if (id.index <= this.#persisted || !this.has(id)) return false;
    this.#persisted = id.index;
    return true;
  }

  purge(through: LogId): void {
    if (through.index <= this.#purged.index) return;
    assert(this.has(through), 'the purge mark is an entry of this log');
    while (this.#runs.length > 0 && this.#runEnd(0) <= through.index) this.#runs.shift();
    const first = this.#runs[0];
    if (first && first.from <= through.index) {
      this.#runs[0] = { from: next(through.index), term: first.term };
    }
    this.#purged = through;
    this.#dropSizes();
  }

  /** Starts afresh after `last`: an installed snapshot took the place of the log. */
  reset(last: LogId): void {
    this.#purged = last;
    this.#persisted = last.index;
    this.#runs = [];
    this.#sizes = [];
    this.#sizesFrom = last.index;
    this.#pending = [];
  }

  /** Entries that no Ready has handed out yet; each is handed out once. */
  takePending(): readonly Entry[] {
    const pending = this.#pending;
    if (pending.length > 0) this.#pending = [];
    return pending;
  }

  get hasPending(): boolean {
    return this.#pending.length > 0;
  }

  #runEnd(position: number): number {
    const following = this.#runs[position + 1];
    return following ? following.from - 1 : advance(this.#sizesFrom, this.#sizes.length);
  }

  #runPosition(at: Index): number {
    let lo = 0;
    let hi = this.#runs.length;
    while (lo < hi) {
      const middle = (lo + hi) >>> 1;
      if ((this.#runs[middle] as TermRun).from <= at) lo = middle + 1;
      else hi = middle;
    }
    return lo - 1;
  }

  #dropSizes(): void {
    const stale = this.#purged.index - this.#sizesFrom;
    if (stale < 1024 && stale < this.#sizes.length) return;
    if (stale * 2 < this.#sizes.length) return;
    this.#sizes = this.#sizes.slice(stale);
    this.#sizesFrom = this.#purged.index;
  }
}
