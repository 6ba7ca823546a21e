// The machine's own time. One of the few files that may touch it.
import type { Clock, Timer } from './clock.ts';

export class SystemClock implements Clock {
  monotonicMs(): number {
    return performance.now();
  }

  wallMs(): number {
    return Date.now();
  }

  schedule(delayMs: number, action: () => void): Timer {
    // Not unref'd: a running member lives by its sockets and ends by close(), which cancels timers.
    const handle = setTimeout(action, Math.max(0, delayMs));
    return { cancel: () => clearTimeout(handle) };
  }
}
