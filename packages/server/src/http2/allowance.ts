// How often something may happen that costs a client less than us: so many times at once, and so
// many more each second. What it gets done meanwhile may add to it.
import type { Clock } from '@holdfast/base/clock';

export type AllowanceOptions = {
  readonly clock: Clock;
  readonly most: number;
  readonly perSecond: number;
};

export class Allowance {
  readonly #options: AllowanceOptions;
  #left: number;
  #filledMs: number;

  constructor(options: AllowanceOptions) {
    this.#options = options;
    this.#left = options.most;
    this.#filledMs = options.clock.monotonicMs();
  }

  /** False: there is none left. */
  take(count: number): boolean {
    this.#left -= count;
    if (this.#left < 0) this.#fill();
    return this.#left >= 0;
  }

  give(count: number): void {
    this.#left = Math.min(this.#options.most, this.#left + count);
  }

  /** Time is asked for only where it matters. */
  #fill(): void {
    const { clock, perSecond } = this.#options;
    const nowMs = clock.monotonicMs();
    this.give(((nowMs - this.#filledMs) / 1000) * perSecond);
    this.#filledMs = nowMs;
  }
}
