// The age on an answer is never understated (safety.md 19): a read that says "at most A ms old"
// shows everything that any client had been told A ms before the answer, by the world's own time.
import { Violation } from './violation.ts';

/** Clocks of two members may differ by this share while an age is measured. */
const driftMax = 0.001;
/** Rounding of a clock's readings. */
const roundingMs = 0.004;

type Told = { readonly atMs: number; readonly revision: number };

export type AgedRead = {
  readonly atMs: number;
  readonly ageMs: number;
  readonly revision: number;
};

export class ReadFreshness {
  /** Rising in both fields. */
  readonly #told: Told[] = [];
  #count = 0;

  get count(): number {
    return this.#count;
  }

  /** A client is told at `atMs` of the world's time that `revision` exists. */
  observeTold(atMs: number, revision: number): void {
    const last = this.#told.at(-1);
    if (!last || last.revision < revision) this.#told.push({ atMs, revision });
  }

  judgeRead({ atMs, ageMs, revision }: AgedRead): void {
    this.#count += 1;
    const since = atMs - ageMs * (1 + driftMax) - roundingMs;
    const owed = this.#revisionToldBy(since);
    if (revision >= owed) return;
    const detail = `a read at ${atMs.toFixed(3)} ms says it is ${ageMs.toFixed(3)} ms old`;
    throw new Violation('read-freshness', `${detail} and stands at ${revision}, not ${owed}`);
  }

  #revisionToldBy(atMs: number): number {
    let lo = 0;
    let hi = this.#told.length;
    while (lo < hi) {
      const middle = (lo + hi) >> 1;
      if ((this.#told[middle] as Told).atMs <= atMs) lo = middle + 1;
      else hi = middle;
    }
    return this.#told[lo - 1]?.revision ?? 0;
  }
}
