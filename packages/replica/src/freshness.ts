// How old this member's state may be, at most (safety.md 19): its own time now, minus the time at
// which it sent the request whose reply carried a quorum-confirmed commit index that it has applied
// since. Unknown after a start: stamps that another boot of this member sent are echoed for a
// while, and say nothing here. Never taken from the last heartbeat alone.
import type { Index } from '@holdfast/base/ids';

type Mark = { readonly stampMs: number; readonly index: Index };

/** Marks that wait for the apply loop; more than these say nothing new. */
const marksMax = 64;

export class Freshness {
  readonly #startedMs: number;
  #baseMs: number | undefined;
  #waiting: Mark[] = [];

  /**
   * `startedMs`: the boot's own first moment, on a time that no other boot shares (boot-clock.ts).
   */
  constructor(startedMs: number) {
    this.#startedMs = startedMs;
  }

  /** A quorum confirmed that at `stampMs` the commit index was at most `index`. */
  confirmed(mark: Mark, now: { readonly nowMs: number; readonly applied: Index }): void {
    if (mark.stampMs < this.#startedMs || mark.stampMs > now.nowMs) return;
    // Full: the last place is taken over, for the first marks are those that are met first.
    if (this.#waiting.length >= marksMax) this.#waiting.pop();
    this.#waiting.push(mark);
    this.applied(now.applied);
  }

  applied(applied: Index): void {
    const met = this.#waiting.filter((mark) => mark.index <= applied);
    if (met.length === 0) return;
    this.#waiting = this.#waiting.filter((mark) => mark.index > applied);
    for (const mark of met) this.#baseMs = Math.max(this.#baseMs ?? mark.stampMs, mark.stampMs);
  }

  /** Milliseconds, or undefined while nothing was confirmed since the start. */
  ageMs(nowMs: number): number | undefined {
    return this.#baseMs === undefined ? undefined : Math.max(0, nowMs - this.#baseMs);
  }
}
