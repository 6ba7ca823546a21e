// Calls whose one message has not come whole. Who says nothing more for a long time is told so and
// let go, as nothing else would end it. Two generations instead of a time for each call: a call
// costs an entry in a set, and a timer runs only while there are any.
import type { Clock, Timer } from '@holdfast/base/clock';

type GiveUp = () => void;

export class UnfinishedCalls {
  readonly #clock: Clock;
  readonly #periodMs: number;
  #young = new Set<GiveUp>();
  #old = new Set<GiveUp>();
  #timer: Timer | undefined;

  /** A call is given up after one to two periods. */
  constructor(clock: Clock, periodMs: number) {
    this.#clock = clock;
    this.#periodMs = periodMs;
  }

  add(giveUp: GiveUp): void {
    this.#young.add(giveUp);
    this.#timer ??= this.#clock.schedule(this.#periodMs, () => this.#turn());
  }

  delete(giveUp: GiveUp): void {
    if (!this.#young.delete(giveUp)) this.#old.delete(giveUp);
  }

  close(): void {
    this.#timer?.cancel();
  }

  #turn(): void {
    const overdue = this.#old;
    this.#old = this.#young;
    this.#young = new Set();
    const isNeeded = this.#old.size > 0;
    this.#timer = isNeeded ? this.#clock.schedule(this.#periodMs, () => this.#turn()) : undefined;
    for (const giveUp of overdue) giveUp();
  }
}
