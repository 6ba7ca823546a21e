// The clocks that simulated members live by: each boot has its own, a little fast or slow.
import { pick, type Random } from '@holdfast/base/random';
import type { EventQueue } from './event-queue.ts';
import { VirtualClock } from './virtual-clock.ts';

/** Quartz drifts by less than 0.02 %. */
const driftMax = 0.0002;
/** A wall clock that is being set right drifts by far more. */
const wallDrifts = [0.0005, 0.0005, 0.25];

/** `startMs`: where the clocks of boots begin; far apart where no boot's time may be another's. */
export function newMemberClock(
  queue: EventQueue,
  random: Random,
  { startMaxMs }: { readonly startMaxMs: number },
): VirtualClock {
  const spread = (share: number): number => 1 + 2 * share * (random.fraction() - 0.5);
  return new VirtualClock({
    queue,
    startMs: random.integer(0, startMaxMs),
    wallMs: 1_700_000_000_000 + queue.nowMs,
    rate: spread(driftMax),
    wallRate: spread(pick(random, wallDrifts)),
  });
}
