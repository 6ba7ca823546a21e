// Asks the leader again when its answer was lost. That is safe for what only looks, and for what
// may happen twice, as a keep-alive may; but each ask may wait for a leader, and a caller waits for
// one election, not for three in a row beside a machine that comes and goes.
import type { Clock } from '@holdfast/base/clock';
import { HoldfastError, isHoldfastError } from '@holdfast/base/errors';

const asksMax = 3;
/** By then another leader stands (safety.md 11): who has lost an answer later asks no more. */
const askAgainMs = 1600;

/** Rejects as `ask` does, or with `unavailable` when no answer has come. */
export async function askPatiently<T>(clock: Clock, ask: () => Promise<T>): Promise<T> {
  const untilMs = clock.monotonicMs() + askAgainMs;
  for (let asked = 1; ; asked += 1) {
    try {
      return await ask();
    } catch (error) {
      if (!isHoldfastError(error) || error.outcome !== 'unknown') throw error;
      if (asked >= asksMax || clock.monotonicMs() >= untilMs) throw unanswered(error);
    }
  }
}

const unanswered = (cause: HoldfastError): HoldfastError =>
  new HoldfastError('unavailable', 'the leader changed before it answered: ask again', {
    outcome: 'unknown',
    cause,
  });
