// How soon a cluster leads itself again (D-17): from the start of the member that completes a
// majority, after one moment in which there was none, until any member leads. Asked now and then;
// what it answers is late by as much as that.
import { Violation } from './judges/violation.ts';

export type LeaderWatchOptions = {
  readonly nowMs: () => number;
  /** Members that make a majority. */
  readonly majority: number;
  /** More is a violation. */
  readonly limitMs: number;
};

export class LeaderWatch {
  readonly #options: LeaderWatchOptions;
  #wasDark = false;
  #waitsSinceMs: number | undefined;
  #waits = 0;
  #longestMs = 0;

  constructor(options: LeaderWatchOptions) {
    this.#options = options;
  }

  /** How often a majority came back, and the longest time that it then took. */
  get counters(): { readonly powerCycles: number; readonly leaderLatestMs: number } {
    return { powerCycles: this.#waits, leaderLatestMs: this.#longestMs };
  }

  /** Throws a Violation when the cluster is overdue. */
  look({ up, isLed }: { readonly up: number; readonly isLed: boolean }): void {
    const nowMs = this.#options.nowMs();
    if (up === 0) this.#wasDark = true;
    if (up < this.#options.majority) this.#waitsSinceMs = undefined;
    else if (this.#wasDark) {
      this.#wasDark = false;
      this.#waitsSinceMs = nowMs;
    }
    if (this.#waitsSinceMs === undefined) return;
    this.#judge(nowMs - this.#waitsSinceMs, isLed);
  }

  #judge(tookMs: number, isLed: boolean): void {
    const { limitMs } = this.#options;
    this.#longestMs = Math.max(this.#longestMs, tookMs);
    if (tookMs > limitMs) {
      throw new Violation('leader-time', `no leader ${tookMs} ms after a majority came back`);
    }
    if (!isLed) return;
    this.#waits += 1;
    this.#waitsSinceMs = undefined;
  }
}
