// How often things have happened of late: counts by name over a sliding window, in slots, so that
// it costs the same whatever happens.
import type { Clock } from './clock.ts';

const slotsPerWindow = 6;

type Slot = { readonly number: number; readonly counts: Map<string, number> };

export class RecentCounts {
  readonly #clock: Clock;
  readonly #slotMs: number;
  #slots: Slot[] = [];

  /** What is older than `windowMs` is forgotten, to the next sixth of it. */
  constructor(clock: Clock, windowMs: number) {
    this.#clock = clock;
    this.#slotMs = windowMs / slotsPerWindow;
  }

  add(name: string): void {
    const { counts } = this.#newest();
    counts.set(name, (counts.get(name) ?? 0) + 1);
  }

  /** By name; a name of which nothing was heard lately is not there. */
  counts(): ReadonlyMap<string, number> {
    this.#newest();
    const sums = new Map<string, number>();
    for (const { counts } of this.#slots) {
      for (const [name, count] of counts) sums.set(name, (sums.get(name) ?? 0) + count);
    }
    return sums;
  }

  #newest(): Slot {
    const number = Math.floor(this.#clock.monotonicMs() / this.#slotMs);
    this.#slots = this.#slots.filter((slot) => slot.number > number - slotsPerWindow);
    const last = this.#slots.at(-1);
    if (last?.number === number) return last;
    const slot = { number, counts: new Map<string, number>() };
    this.#slots.push(slot);
    return slot;
  }
}
