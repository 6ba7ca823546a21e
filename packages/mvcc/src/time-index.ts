// When revisions were made, sparsely: enough to answer "what is the newest revision that is older
// than an hour". Part of the replicated state, so it is made from the log's own time alone and
// thins itself out by a fixed rule.
import { assert } from '@holdfast/base/assert';

export type TimeEntry = { readonly revision: number; readonly timeMs: number };

const entriesMax = 8192;
const firstIntervalMs = 1000;

export class TimeIndex {
  #entries: TimeEntry[];
  #intervalMs: number;

  constructor(entries: readonly TimeEntry[] = [], intervalMs = firstIntervalMs) {
    assert(intervalMs > 0, 'the interval of times is positive');
    this.#entries = [...entries];
    this.#intervalMs = intervalMs;
  }

  get entries(): readonly TimeEntry[] {
    return this.#entries;
  }

  get intervalMs(): number {
    return this.#intervalMs;
  }

  /** The revision was made at that time of the log. */
  note(revision: number, timeMs: number): void {
    const last = this.#entries.at(-1);
    if (last && timeMs - last.timeMs < this.#intervalMs) return;
    this.#entries.push({ revision, timeMs });
    if (this.#entries.length > entriesMax) this.#thin();
  }

  /** The newest noted revision made at or before `timeMs`, or 0. */
  revisionAt(timeMs: number): number {
    let lo = 0;
    let hi = this.#entries.length;
    while (lo < hi) {
      const middle = (lo + hi) >>> 1;
      if ((this.#entries[middle] as TimeEntry).timeMs <= timeMs) lo = middle + 1;
      else hi = middle;
    }
    return this.#entries[lo - 1]?.revision ?? 0;
  }

  dropBelow(revision: number): void {
    this.#entries = this.#entries.filter((entry) => entry.revision >= revision);
  }

  #thin(): void {
    this.#entries = this.#entries.filter((_, at) => at % 2 === 0);
    this.#intervalMs *= 2;
  }
}
