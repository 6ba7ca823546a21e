// Gives the store's compacted memory back in slices, each in a turn of the event loop of its own.
import type { KvStore } from '@holdfast/mvcc/kv-store';

/** Records that one slice looks at: well below a millisecond. */
const sliceRecords = 2000;

export class Reclaiming {
  readonly #store: KvStore;
  readonly #nextTurn: (action: () => void) => void;
  #isUnderWay = false;

  constructor(store: KvStore, nextTurn: (action: () => void) => void) {
    this.#store = store;
    this.#nextTurn = nextTurn;
  }

  /** To be called whenever something was applied. */
  attend(): void {
    if (this.#isUnderWay || !this.#store.reclaimPending) return;
    this.#isUnderWay = true;
    this.#nextTurn(() => {
      this.#isUnderWay = false;
      if (this.#store.reclaim(sliceRecords)) this.attend();
    });
  }
}
