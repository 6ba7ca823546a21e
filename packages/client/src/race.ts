// The tries of one read at several endpoints, of which the first answer counts. A loser that has
// not said a word yet goes on for itself, a few at an endpoint: else nobody would ever learn that
// it is slow. It is judged as any other try, and its answer is thrown away.
import type { Clock } from '@holdfast/base/clock';
import { HoldfastError } from '@holdfast/base/errors';

import type { ClientSettings } from './client-settings.ts';
import { fairTimer } from './fair-timer.ts';
import { LinkedAbort } from './linked-abort.ts';
import type { Visit } from './visit.ts';

export type RaceOptions = {
  readonly clock: Clock;
  readonly settings: () => ClientSettings;
  readonly signal: AbortSignal;
};

type Runner<T> = {
  readonly visit: Visit;
  readonly own: LinkedAbort;
  readonly end: Promise<Ended<T>>;
};

type Ended<T> = { readonly runner: Visit; readonly result: T | HoldfastError };

export class Race<T> {
  readonly #options: RaceOptions;
  readonly #running = new Map<Visit, Runner<T>>();

  constructor(options: RaceOptions) {
    this.#options = options;
  }

  get isOn(): boolean {
    return this.#running.size > 0;
  }

  /** Not one byte has come from any of them since they were asked. */
  get isSilent(): boolean {
    return [...this.#running.keys()].every((visit) => visit.isSilent);
  }

  /** `attempt` never rejects; it unlinks `own` when nothing of it lives on. */
  enter(visit: Visit, attempt: (own: LinkedAbort) => Promise<T | HoldfastError>): void {
    const own = new LinkedAbort(this.#options.signal);
    const end = attempt(own).then((result) => ({ runner: visit, result }));
    this.#running.set(visit, { visit, own, end });
  }

  /** The first try that ends, or undefined when it is time to ask the next endpoint too. */
  async first(mayHedge: boolean): Promise<T | HoldfastError | undefined> {
    const ends = [...this.#running.values()].map(({ end }) => end);
    const ended = await (mayHedge ? this.#orHedge(ends) : Promise.race(ends));
    if (ended === undefined) return undefined;
    this.#running.delete(ended.runner);
    return ended.result;
  }

  /** Nobody waits for the others any more. */
  end(): void {
    for (const { visit, own } of this.#running.values()) {
      if (!this.#options.signal.aborted && visit.mayGoOn()) continue;
      own.abort(new HoldfastError('cancelled', 'another endpoint answered first'));
    }
    this.#running.clear();
  }

  async #orHedge(ends: readonly Promise<Ended<T>>[]): Promise<Ended<T> | undefined> {
    const { clock, settings } = this.#options;
    let cancel = (): void => undefined;
    const hedge = new Promise<undefined>((resolve) => {
      const timer = fairTimer({
        clock,
        silence: () => settings().silence,
        delayMs: settings().hedgeMs,
        action: () => resolve(undefined),
      });
      cancel = () => timer.cancel();
    });
    try {
      return await Promise.race([...ends, hedge]);
    } finally {
      cancel();
    }
  }
}
