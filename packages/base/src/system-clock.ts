// The machine's own time. One of the few files that may touch it.
import type { Clock, Timer } from './clock.ts';

export type SystemClockOptions = {
  /** False: a process that waits for nothing but these timers may end. */
  readonly keepsAlive?: boolean;
  /** Of one timer of Node, which fires at once where it is given more than 2^31 - 1 ms. */
  readonly stepMsMax?: number;
};

export class SystemClock implements Clock {
  readonly #keepsAlive: boolean;
  readonly #stepMsMax: number;

  /** As a rule timers hold: a member lives by its sockets, and ends by close(), which cancels. */
  constructor({ keepsAlive = true, stepMsMax = 2 ** 31 - 1 }: SystemClockOptions = {}) {
    this.#keepsAlive = keepsAlive;
    this.#stepMsMax = stepMsMax;
  }

  monotonicMs(): number {
    return performance.now();
  }

  wallMs(): number {
    return Date.now();
  }

  schedule(delayMs: number, action: () => void): Timer {
    if (delayMs > this.#stepMsMax) return this.#scheduleFar(delayMs, action);
    const handle = setTimeout(action, Math.max(0, delayMs));
    if (!this.#keepsAlive) handle.unref();
    return { cancel: () => clearTimeout(handle) };
  }

  /** In steps: a call may be given a year. */
  #scheduleFar(delayMs: number, action: () => void): Timer {
    const stepMs = this.#stepMsMax;
    let step = this.schedule(stepMs, () => {
      step = this.schedule(delayMs - stepMs, action);
    });
    return { cancel: () => step.cancel() };
  }
}
