// A circuit breaker for the calls to one peer: three failures in a row open it, for 30
// s nobody is let through, then exactly one caller is, as a probe, and what becomes of that one
// decides for all.
//
//   closed --3rd failure, trip--> open --30 s--> half-open --probe succeeds, hello--> closed
//                                  ^---------------- probe fails --'
//
// What was let through before it opened says nothing any more: late results neither close it nor
// hold it open. It decides only who may call; who is dialled again, and when, is its owner's.
import { assert } from '@holdfast/base/assert';
import type { Clock } from '@holdfast/base/clock';
import { HoldfastError } from '@holdfast/base/errors';
import { formatId, type MemberId } from '@holdfast/base/ids';

export type BreakerSettings = {
  /** Failures in a row that open it. */
  readonly failuresMax: number;
  /** How long it stays open before it lets a probe through. */
  readonly openMs: number;
};

/** */
export const defaultBreakerSettings: BreakerSettings = { failuresMax: 3, openMs: 30_000 };

export type BreakerState =
  | { readonly name: 'closed'; readonly failures: number; readonly reason: string | undefined }
  /** Since when, and why, for people. */
  | { readonly name: 'open'; readonly sinceMs: number; readonly reason: string }
  | {
      readonly name: 'half-open';
      readonly sinceMs: number;
      readonly reason: string;
      /** When the probe that is under way was let through. */
      readonly probeSinceMs: number | undefined;
    };

/** One call that was let through. It says once what became of it; the first word counts. */
export interface Permit {
  succeeded(): void;
  failed(reason: string): void;
  /** It says nothing about the peer: it was given up, or never left. */
  released(): void;
}

export type BreakerOptions = {
  readonly clock: Clock;
  /** Asked each time, so that a change holds from the next event on. */
  readonly settings: () => BreakerSettings;
  /** The state has another name now. */
  readonly onChange: (from: BreakerState, to: BreakerState) => void;
};

const closed: BreakerState = { name: 'closed', failures: 0, reason: undefined };

export class CircuitBreaker {
  readonly #clock: Clock;
  readonly #settings: BreakerOptions['settings'];
  readonly #onChange: BreakerOptions['onChange'];
  #state: BreakerState = closed;
  /** Grows with each change of name, and with each probe: permits of before are void. */
  #generation = 0;

  constructor({ clock, settings, onChange }: BreakerOptions) {
    this.#clock = clock;
    this.#settings = settings;
    this.#onChange = onChange;
  }

  /** As it stands now: an open one turns half-open by the clock alone. */
  get state(): BreakerState {
    this.#ripen();
    return this.#state;
  }

  /** Lets one call through, or nobody: then `state` says why. */
  admit(): Permit | undefined {
    this.#ripen();
    const state = this.#state;
    if (state.name === 'open') return undefined;
    if (state.name === 'closed') return this.#permit();
    if (state.probeSinceMs !== undefined) return undefined;
    this.#state = { ...state, probeSinceMs: this.#nowMs };
    this.#generation += 1;
    return this.#permit();
  }

  /** Opens it now, whatever was counted; one that is open stays so for no longer. */
  trip(reason: string): void {
    this.#ripen();
    if (this.#state.name !== 'open') this.#open(reason);
  }

  /** The peer has shown by itself that it lives, or a person says so. */
  close(): void {
    if (this.#state.name === 'closed') this.#state = closed;
    else this.#become(closed);
  }

  get #nowMs(): number {
    return this.#clock.monotonicMs();
  }

  #ripen(): void {
    const state = this.#state;
    const { openMs } = this.#settings();
    if (state.name === 'open' && this.#nowMs - state.sinceMs >= openMs) {
      const { sinceMs, reason } = state;
      this.#become({ name: 'half-open', sinceMs, reason, probeSinceMs: undefined });
    } else if (state.name === 'half-open' && state.probeSinceMs !== undefined) {
      // Whoever lets a probe go without a word must not keep everybody out for ever.
      if (this.#nowMs - state.probeSinceMs >= openMs) this.#open('a probe never said how it ended');
    }
  }

  #permit(): Permit {
    const generation = this.#generation;
    let isOver = false;
    const once = (deed: () => void): void => {
      if (isOver) return;
      isOver = true;
      if (generation === this.#generation) deed();
    };
    return {
      succeeded: () => once(() => this.close()),
      failed: (reason) => once(() => this.#failed(reason)),
      released: () => once(() => this.#released()),
    };
  }

  #failed(reason: string): void {
    const state = this.#state;
    assert(state.name !== 'open', 'permits of before an opening are void');
    if (state.name === 'half-open') return this.#open(reason);
    const failures = state.failures + 1;
    if (failures >= this.#settings().failuresMax) this.#open(reason);
    else this.#state = { name: 'closed', failures, reason };
  }

  #released(): void {
    if (this.#state.name !== 'half-open') return;
    this.#state = { ...this.#state, probeSinceMs: undefined };
    this.#generation += 1;
  }

  #open(reason: string): void {
    this.#become({ name: 'open', sinceMs: this.#nowMs, reason });
  }

  #become(to: BreakerState): void {
    const from = this.#state;
    this.#state = to;
    this.#generation += 1;
    this.#onChange(from, to);
  }
}

/** What a caller is told whom the breaker of `peer` has not let through. */
export function setAside(peer: MemberId, state: BreakerState): HoldfastError {
  const why = state.name === 'closed' ? 'it was just taken back' : state.reason;
  const text = `member ${formatId(peer)} is set aside: ${why}`;
  return new HoldfastError('unavailable', text, { details: { breaker: state.name } });
}
