// Callers that wait for an event, but not for ever: each with a timer, and with its own signal.
// Whoever stops waiting, for whatever reason, leaves neither timer nor listener behind.
import type { Clock } from '@holdfast/base/clock';

type Waiting = { readonly end: () => void };

export class TimedWaiters {
  readonly #clock: Clock;
  #waiting = new Set<Waiting>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get count(): number {
    return this.#waiting.size;
  }

  /** True when released, false when the time is over; rejects with the signal's reason. */
  wait(delayMs: number, signal?: AbortSignal): Promise<boolean> {
    if (signal?.aborted) return Promise.reject(signal.reason);
    return new Promise((resolve, reject) => {
      const leave = (): void => {
        timer.cancel();
        signal?.removeEventListener('abort', onAbort);
        this.#waiting.delete(waiting);
      };
      const onAbort = (): void => {
        leave();
        reject(signal?.reason);
      };
      const timer = this.#clock.schedule(delayMs, () => {
        leave();
        resolve(false);
      });
      const waiting: Waiting = {
        end: () => {
          leave();
          resolve(true);
        },
      };
      this.#waiting.add(waiting);
      signal?.addEventListener('abort', onAbort, { once: true });
    });
  }

  /** Everybody who waits now goes on. */
  release(): void {
    if (this.#waiting.size === 0) return;
    for (const one of [...this.#waiting]) one.end();
  }
}
