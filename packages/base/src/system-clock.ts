// The machine's own time. One of the few files that may touch it.
import type { Clock, Timer } from './clock.ts';

export type SystemClockOptions = {
  /** False: a process that waits for nothing but these timers may end. */
  readonly keepsAlive?: boolean;
};

export class SystemClock implements Clock {
  readonly #keepsAlive: boolean;

  /** As a rule timers hold: a member lives by its sockets, and ends by close(), which cancels. */
  constructor({ keepsAlive = true }: SystemClockOptions = {}) {
    this.#keepsAlive = keepsAlive;
  }

  monotonicMs(): number {
    return performance.now();
  }

  wallMs(): number {
    return Date.now();
  }

  schedule(delayMs: number, action: () => void): Timer {
    const handle = setTimeout(action, Math.max(0, delayMs));
    if (!this.#keepsAlive) handle.unref();
    return { cancel: () => clearTimeout(handle) };
  }
}
