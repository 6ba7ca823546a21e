// A timer against somebody else that does not count this process's own lag (safety.md 18): one that
// fires late tells that the event loop stood still, and that an answer may be waiting unread. Then
// the other side has the time of one more ping, or no more than it had.
import type { Clock, Timer } from '@holdfast/base/clock';
import type { SilenceSettings } from '@holdfast/transport/silence-watch';

export type FairTimerOptions = {
  readonly clock: Clock;
  readonly silence: () => Pick<SilenceSettings, 'ownLagMs' | 'pingWaitMs'>;
  readonly delayMs: number;
  readonly action: () => void;
};

export function fairTimer({ clock, silence, delayMs, action }: FairTimerOptions): Timer {
  let timer: Timer;
  const arm = (waitMs: number): void => {
    const dueMs = clock.monotonicMs() + waitMs;
    timer = clock.schedule(waitMs, () => {
      const { ownLagMs, pingWaitMs } = silence();
      if (clock.monotonicMs() - dueMs > ownLagMs) arm(Math.min(delayMs, pingWaitMs));
      else action();
    });
  };
  arm(delayMs);
  return { cancel: () => timer.cancel() };
}
