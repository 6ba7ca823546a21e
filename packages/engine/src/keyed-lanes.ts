// Work that must not run beside other work of the same key: one at a time, in the order of asking,
// with a bound on who waits. Keys that nobody uses cost nothing.
import { HoldfastError } from '@holdfast/base/errors';

type Lane = { waiting: number; tail: Promise<void> };

export class KeyedLanes {
  readonly #waitingMax: number;
  readonly #lanes = new Map<string, Lane>();

  constructor(waitingMax: number) {
    this.#waitingMax = waitingMax;
  }

  /** Runs `work` after all that was asked for under `key` before; a full lane refuses at once. */
  async run<T>(key: string, work: () => Promise<T>): Promise<T> {
    const lane = this.#lanes.get(key) ?? { waiting: 0, tail: Promise.resolve() };
    if (lane.waiting >= this.#waitingMax) {
      const message = `${lane.waiting} changes of ${key} wait on this member already: try again`;
      throw new HoldfastError('resource-exhausted', message);
    }
    this.#lanes.set(key, lane);
    lane.waiting += 1;
    const result = lane.tail.then(work);
    // Whoever comes next waits for the end, not for the success.
    const ended = result.then(
      () => undefined,
      () => undefined,
    );
    lane.tail = ended;
    try {
      return await result;
    } finally {
      lane.waiting -= 1;
      if (lane.waiting === 0) this.#lanes.delete(key);
    }
  }
}
