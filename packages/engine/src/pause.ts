// Waiting that is cut short without an error: for loops that look at their signal themselves.
import type { Clock } from '@holdfast/base/clock';

/** Resolves after the delay, or as soon as the signal aborts. */
export function pause(clock: Clock, delayMs: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) {
      resolve();
      return;
    }
    const end = (): void => {
      timer.cancel();
      signal.removeEventListener('abort', end);
      resolve();
    };
    const timer = clock.schedule(delayMs, end);
    signal.addEventListener('abort', end, { once: true });
  });
}
