// Calls whose one message has not come whole. Who says nothing more for a long time is told so and
// let go, as nothing else would end it. One timer for all of them, which runs only while there are
// any: a call costs a place in a list.
import type { Clock, Timer } from '@holdfast/base/clock';
import { LinkedList, ListLink } from '@holdfast/base/linked-list';

export type UnfinishedCall = ListLink<{ readonly giveUp: () => void; readonly sinceMs: number }>;

export class UnfinishedCalls {
  readonly #clock: Clock;
  readonly #periodMs: number;
  /** The oldest first. */
  readonly #calls = new LinkedList<UnfinishedCall['item']>();
  #timer: Timer | undefined;

  /** A call is given up after one to two periods. */
  constructor(clock: Clock, periodMs: number) {
    this.#clock = clock;
    this.#periodMs = periodMs;
  }

  add(giveUp: () => void): UnfinishedCall {
    const call: UnfinishedCall = new ListLink({ giveUp, sinceMs: this.#clock.monotonicMs() });
    this.#calls.add(call);
    this.#timer ??= this.#clock.schedule(this.#periodMs, () => this.#turn());
    return call;
  }

  delete(call: UnfinishedCall): void {
    this.#calls.remove(call);
  }

  close(): void {
    this.#timer?.cancel();
  }

  #turn(): void {
    const overdue = this.#takeOverdue();
    const isNeeded = this.#calls.length > 0;
    this.#timer = isNeeded ? this.#clock.schedule(this.#periodMs, () => this.#turn()) : undefined;
    for (const { giveUp } of overdue) giveUp();
  }

  #takeOverdue(): readonly UnfinishedCall['item'][] {
    const overdue: UnfinishedCall['item'][] = [];
    const overdueMs = this.#clock.monotonicMs() - this.#periodMs;
    for (let oldest = this.#calls.first; oldest; oldest = this.#calls.first) {
      if (oldest.sinceMs > overdueMs) break;
      this.#calls.shift();
      overdue.push(oldest);
    }
    return overdue;
  }
}
