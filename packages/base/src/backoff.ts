// How long to wait before the next try: doubling, capped, with full jitter in its upper half, so
// that many who failed together do not come back together.
import type { Random } from './random.ts';

export type BackoffOptions = {
  readonly initialMs: number;
  readonly maxMs: number;
};

export class Backoff {
  readonly #options: BackoffOptions;
  readonly #random: Random;
  #failures = 0;

  constructor(options: BackoffOptions, random: Random) {
    this.#options = options;
    this.#random = random;
  }

  /** The delay before the next try; each call counts as one more failure. */
  nextMs(): number {
    const { initialMs, maxMs } = this.#options;
    const fullMs = Math.min(maxMs, initialMs * 2 ** Math.min(this.#failures, 30));
    this.#failures += 1;
    return fullMs / 2 + (fullMs / 2) * this.#random.fraction();
  }

  reset(): void {
    this.#failures = 0;
  }
}
