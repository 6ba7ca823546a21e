// To whom no state could be sent, and how long each is left alone: twice as long each time, so that
// one that can not be helped keeps nobody from being compared.
import type { Clock } from '@holdfast/base/clock';
import type { MemberId } from '@holdfast/base/ids';

type Setback = { readonly untilMs: number; readonly pauseMs: number };

const firstPauseMs = 1000;
/** Longer, and one that comes back to its senses would wait in quarantine for nothing. */
const pauseMsMax = 10_000;

export class Setbacks {
  readonly #clock: Clock;
  readonly #setbacks = new Map<MemberId, Setback>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  isDue(member: MemberId): boolean {
    return this.#clock.monotonicMs() >= (this.#setbacks.get(member)?.untilMs ?? 0);
  }

  failed(member: MemberId): void {
    const before = this.#setbacks.get(member)?.pauseMs;
    const pauseMs = before === undefined ? firstPauseMs : Math.min(before * 2, pauseMsMax);
    this.#setbacks.set(member, { pauseMs, untilMs: this.#clock.monotonicMs() + pauseMs });
  }

  succeeded(member: MemberId): void {
    this.#setbacks.delete(member);
  }
}
