// Asks the leader again when its answer was lost. That is safe for what only looks, and for what
// may happen twice, as a keep-alive may; but each ask may wait for a leader, and a caller waits for
// one election, not for three in a row beside a machine that comes and goes.
import type { Clock } from '@holdfast/base/clock';
import { startDeadline } from '@holdfast/base/deadline';
import { HoldfastError, isHoldfastError } from '@holdfast/base/errors';

const asksMax = 3;
/** Whatever is asked again is over by then: an election is after 1,600 ms (safety.md 11). */
const patienceMs = 2000;

/** The signal ends the wait for an answer. */
export type Ask<T> = (signal: AbortSignal | undefined) => Promise<T>;

/** Rejects as `ask` does, or with `unavailable` when no answer has come. */
export async function askPatiently<T>(clock: Clock, ask: Ask<T>, signal?: AbortSignal): Promise<T> {
  const untilMs = clock.monotonicMs() + patienceMs;
  for (let asked = 1; ; asked += 1) {
    try {
      return asked === 1 ? await ask(signal) : await askUntil(untilMs, { clock, ask, signal });
    } catch (error) {
      if (signal?.aborted || !isLost(error)) throw error;
      if (asked >= asksMax || clock.monotonicMs() >= untilMs) throw unanswered(error);
    }
  }
}

type Asking<T> = {
  readonly clock: Clock;
  readonly ask: Ask<T>;
  readonly signal: AbortSignal | undefined;
};

async function askUntil<T>(untilMs: number, { clock, ask, signal }: Asking<T>): Promise<T> {
  const deadline = startDeadline(clock, untilMs - clock.monotonicMs(), signal);
  try {
    return await ask(deadline.signal);
  } finally {
    deadline.dispose();
  }
}

const isLost = (error: unknown): error is HoldfastError =>
  isHoldfastError(error) && error.outcome === 'unknown';

const unanswered = (cause: HoldfastError): HoldfastError =>
  new HoldfastError('unavailable', 'the leader changed before it answered: ask again', {
    outcome: 'unknown',
    cause,
  });
