// How often one client may ask again: a bucket of tokens, refilled at a steady pace. A
// cluster that refuses because it has too much to do must not be given more to do by that.
//
//   free     the first try of a call; going on, in its first round, from an endpoint that the
//            transport could not reach; a hedge past an endpoint of which not one byte has come:
//            these take load off what is dead, and a dark machine must not starve a hundred reads
//   a token  any try after an endpoint's own refusal (no leader, overloaded); any second round; a
//            hedge past an endpoint that speaks, and is only slow; a write of a session sent anew
//
// Without a token a call waits for one until its deadline, as it would wait for a leader. Whoever
// waits comes by chance, not in turn: in a queue the first would be those about to give up.
import type { Clock } from '@holdfast/base/clock';

export type RetrySettings = {
  /** Tokens a second; zero: what was refused is not asked again. */
  readonly perSecond: number;
  /** As many at once, after a quiet time. */
  readonly burst: number;
};

/** ten a second, saved for ten seconds. */
export const defaultRetrySettings: RetrySettings = { perSecond: 10, burst: 100 };

export type RetryBudgetOptions = {
  readonly clock: Clock;
  readonly settings: () => RetrySettings;
};

export class RetryBudget {
  readonly #clock: Clock;
  readonly #settings: RetryBudgetOptions['settings'];
  #tokens: number;
  #filledMs: number;

  constructor({ clock, settings }: RetryBudgetOptions) {
    this.#clock = clock;
    this.#settings = settings;
    this.#tokens = settings().burst;
    this.#filledMs = clock.monotonicMs();
  }

  /** False: nothing may be asked again now. */
  take(): boolean {
    this.#fill();
    if (this.#tokens < 1) return false;
    this.#tokens -= 1;
    return true;
  }

  #fill(): void {
    const { perSecond, burst } = this.#settings();
    const nowMs = this.#clock.monotonicMs();
    const grown = this.#tokens + ((nowMs - this.#filledMs) / 1000) * perSecond;
    this.#tokens = Math.min(burst, grown);
    this.#filledMs = nowMs;
  }
}
