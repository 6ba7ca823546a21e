// What the tries of one call have shown so far, the verdict after each, and whether there may be
// another (retry-budget.ts says what is free).
import { type ErrorCode, HoldfastError, messageOf } from '@holdfast/base/errors';

import { TransportFailure } from './http-port.ts';
import type { RetryBudget } from './retry-budget.ts';

/**
 * So many rounds in which nobody was there, or no quorum, and waiting longer is the user's choice.
 */
const hopelessRoundsMax = 3;

export type TriesOptions = {
  readonly kind: 'read' | 'repeatable' | 'once';
  readonly budget: RetryBudget;
};

export class Tries {
  readonly #options: TriesOptions;
  #last: HoldfastError | undefined;
  #lastAnswer: HoldfastError | undefined;
  #uncertain = false;
  #isFirstRound = true;
  #isRoundHopeless = true;
  #isRoundAnswered = false;
  #hopelessRounds = 0;
  /** A token was taken for the next try. */
  #isPaid = false;
  #isSpent = false;

  constructor(options: TriesOptions) {
    this.#options = options;
  }

  get uncertain(): boolean {
    return this.#uncertain;
  }

  /** An endpoint has answered in this round, though with a refusal: somebody is there. */
  get isRoundAnswered(): boolean {
    return this.#isRoundAnswered;
  }

  /** Whether the next endpoint may be asked now; where that has its price, it is paid. */
  mayAsk(): boolean {
    const isFree = this.#isFirstRound && !this.#isRoundAnswered;
    const mayAsk = isFree || this.#isPaid || this.#take();
    this.#isPaid = false;
    return mayAsk;
  }

  /** Whether one more may be asked beside those that have not answered yet. */
  mayHedge({ isSilent }: { readonly isSilent: boolean }): boolean {
    return isSilent || this.#options.budget.take();
  }

  /** Remembers the failure, or throws it where another try is not allowed or not wanted. */
  failed(error: HoldfastError, signal: AbortSignal): void {
    const { kind } = this.#options;
    const mayBeApplied = kind !== 'read' && error.outcome !== 'not-applied';
    if (mayBeApplied) this.#uncertain = true;
    if (signal.aborted) throw this.outOfTime(signal);
    this.#last = error;
    if (!(error instanceof TransportFailure)) {
      this.#isRoundAnswered = true;
      this.#lastAnswer = error;
    }
    if (!error.retryable || (mayBeApplied && kind === 'once')) throw this.lastError();
    if (!isHopeless(error)) this.#isRoundHopeless = false;
  }

  /** Throws where another round would change nothing. */
  endRound(): void {
    this.#hopelessRounds = this.#isRoundHopeless ? this.#hopelessRounds + 1 : 0;
    if (this.#hopelessRounds >= hopelessRoundsMax) throw this.lastError();
  }

  /** False: the budget is spent, and the next round has to wait. Throws where waiting is vain. */
  beginRound(): boolean {
    if (!this.#take()) {
      if (this.#isRoundHopeless) throw this.lastError();
      return false;
    }
    this.#isPaid = true;
    this.#isFirstRound = false;
    this.#isRoundHopeless = true;
    this.#isRoundAnswered = false;
    return true;
  }

  lastError(): HoldfastError {
    const last = this.#last ?? new HoldfastError('unavailable', 'no endpoint to ask');
    return this.#withOutcome(this.#isSpent ? withText(last, `${last.message} (${spent})`) : last);
  }

  /** What a member has said, if any has: that says more than the silence of another. */
  lastAnswer(): HoldfastError {
    return this.#lastAnswer ? this.#withOutcome(this.#lastAnswer) : this.lastError();
  }

  /** The caller's own reason, or the last failure with the deadline that ended the tries. */
  outOfTime(signal: AbortSignal): HoldfastError {
    const reason = asHoldfastError(signal.reason);
    if (reason.code !== 'deadline-exceeded' || this.#last === undefined) {
      return this.#withOutcome(reason);
    }
    const why = this.#isSpent ? `${reason.message}; ${spent}` : reason.message;
    return this.#withOutcome(withText(this.#last, `${this.#last.message} (${why})`));
  }

  #take(): boolean {
    const isTaken = this.#options.budget.take();
    this.#isSpent = !isTaken;
    return isTaken;
  }

  #withOutcome(error: HoldfastError): HoldfastError {
    const outcome = this.#uncertain ? 'unknown' : 'not-applied';
    if (error.outcome === outcome || error.outcome === 'applied') return error;
    const { code, message, details } = error;
    return new HoldfastError(code, message, { outcome, details, cause: error });
  }
}

const spent = "this client's retry budget is spent";

function withText(error: HoldfastError, message: string): HoldfastError {
  const { code, outcome, details } = error;
  return new HoldfastError(code, message, { outcome, details, cause: error });
}

/** No member there, or a majority gone: another second of the same call changes nothing. */
const isHopeless = (error: HoldfastError): boolean =>
  error.code === 'no-quorum' ||
  (error instanceof TransportFailure && (error.outcome === 'not-applied' || error.isForeign));

const outOfService: ReadonlySet<string> = new Set<ErrorCode>([
  'no-leader',
  'no-quorum',
  'shutting-down',
  'unavailable',
]);

/**
 * Its member says that it can serve nobody now, where another one may. That its state is too old
 * for a read which asked for a young one says so much only to a watch, which bears seconds.
 */
export const isOutOfService = (
  { code }: HoldfastError,
  { isHeld }: { readonly isHeld?: boolean | undefined },
): boolean => outOfService.has(code) || (code === 'stale-unknown' && isHeld === true);

export function asHoldfastError(error: unknown): HoldfastError {
  if (error instanceof HoldfastError) return error;
  if (error instanceof Error && error.name === 'AbortError') {
    return new HoldfastError('cancelled', 'the call was given up', { outcome: 'unknown' });
  }
  return new HoldfastError('internal', messageOf(error), { outcome: 'unknown', cause: error });
}
