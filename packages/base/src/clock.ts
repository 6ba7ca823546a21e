// Time as a port. Elapsed time is monotonic; the wall clock is for display and for the stamp that a
// leader gives an entry. Everything that waits takes a Clock, so that the simulator can run it.

/** A pending call. Cancelling twice, or after it fired, does nothing. */
export interface Timer {
  cancel(): void;
}

export interface Clock {
  /** Milliseconds since some start of this process, never decreasing; fractions are allowed. */
  monotonicMs(): number;
  /** Milliseconds since 1970, which may jump. */
  wallMs(): number;
  /** Calls `action` once, no earlier than `delayMs` from now. */
  schedule(delayMs: number, action: () => void): Timer;
}

/** Resolves after `delayMs`; rejects with the signal's reason as soon as it aborts. */
export function sleep(clock: Clock, delayMs: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) {
      reject(signal.reason);
      return;
    }
    const onAbort = (): void => {
      timer.cancel();
      reject(signal?.reason);
    };
    const timer = clock.schedule(delayMs, () => {
      signal?.removeEventListener('abort', onAbort);
      resolve();
    });
    signal?.addEventListener('abort', onAbort, { once: true });
  });
}

/** As `sleep`, for loops that look at their signal themselves: an abort only ends it early. */
export async function pause(clock: Clock, delayMs: number, signal: AbortSignal): Promise<void> {
  try {
    await sleep(clock, delayMs, signal);
  } catch {
    // Nothing but the signal's reason can come here, and whoever waits looks at the signal.
  }
}
