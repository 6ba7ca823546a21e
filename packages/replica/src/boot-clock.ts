// The time that one boot's core lives by: the machine's monotonic time, moved by a random offset.
// Peers echo the stamps of this time (safety.md 19), also those of an earlier boot, and a monotonic
// clock may begin anew with each process: without the offset an old stamp could pass for a new one.
import type { Clock } from '@holdfast/base/clock';
import type { Random } from '@holdfast/base/random';

/** Some three hundred years, and still a fraction of a millisecond as a double. */
const offsetMaxMs = 2 ** 43;

export function bootClock(clock: Clock, random: Random): Clock {
  const offsetMs = random.integer(1, offsetMaxMs);
  return {
    monotonicMs: () => clock.monotonicMs() + offsetMs,
    wallMs: () => clock.wallMs(),
    schedule: (delayMs, action) => clock.schedule(delayMs, action),
  };
}
