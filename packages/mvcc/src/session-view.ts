// What the engine reads of the sessions: which there are, and which the leader may propose to end
// (safety.md 21). Follows the store across restores.
import type { StoreState } from './store-state.ts';

export class SessionView {
  readonly #read: () => StoreState;

  constructor(read: () => StoreState) {
    this.#read = read;
  }

  get size(): number {
    return this.#read().sessions.size;
  }

  has(id: bigint): boolean {
    return this.#read().sessions.has(id);
  }

  /** Whether a write with that sequence was applied, and its answer is kept still. */
  hasAnswer(id: bigint, sequence: bigint): boolean {
    return this.#read().sessions.hasAnswer(id, sequence);
  }

  /**
   * `max` sessions at most that an expiry whose entry is proposed at `nowLogMs` would end: the
   * leader's wall clock, or KvStore.lastProposedAtMs where that is later.
   */
  overdue(nowLogMs: number, max: number): bigint[] {
    return this.#read().sessions.overdue(nowLogMs, max);
  }
}
