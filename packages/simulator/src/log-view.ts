// What the world knows of one member's log: the term of each entry, as its log store was told. Kept
// beside the real store, so that judges can look without reading from a disk.
import { type Index, index, type Term, term } from '@holdfast/base/ids';
import type { Entry, LogId } from '@holdfast/raft/entry';
import type { LogRecovery } from '@holdfast/replica/ports';

export class LogView {
  #purged: LogId = { index: index(0), term: term(0) };
  /** The first is the term of entry purged + 1. */
  #terms: Term[] = [];

  get purged(): Index {
    return this.#purged.index;
  }

  get last(): LogId {
    const at = index(this.#purged.index + this.#terms.length);
    return { index: at, term: this.termAt(at) as Term };
  }

  termAt(at: Index): Term | undefined {
    if (at === this.#purged.index) return this.#purged.term;
    return this.#terms[at - this.#purged.index - 1];
  }

  opened({ purged, last, termRuns }: LogRecovery): void {
    this.#purged = purged;
    this.#terms = [];
    for (const [at, run] of termRuns.entries()) {
      const end = termRuns[at + 1]?.from ?? last.index + 1;
      for (let i = run.from as number; i < end; i += 1) this.#terms.push(run.term);
    }
  }

  /** Answers the entry behind which `entries` were placed; undefined if all of them are purged. */
  accepted(entries: readonly Entry[]): LogId | undefined {
    const first = entries[0];
    if (!first || first.index <= this.#purged.index) return undefined;
    const before = index(first.index - 1);
    const previous = { index: before, term: this.termAt(before) as Term };
    for (const entry of entries) this.#place(entry);
    return previous;
  }

  purgedTo(mark: LogId): void {
    if (mark.index <= this.#purged.index) return;
    this.#terms.splice(0, mark.index - this.#purged.index);
    this.#purged = mark;
  }

  reset(mark: LogId): void {
    this.#purged = mark;
    this.#terms = [];
  }

  #place(entry: Entry): void {
    if (this.termAt(entry.index) === entry.term) return;
    this.#terms.length = entry.index - this.#purged.index - 1;
    this.#terms.push(entry.term);
  }
}
