// Work that waits until the log is synced up to an index: a snapshot must not be ahead of it.
import { HoldfastError } from '@holdfast/base/errors';
import type { Index } from '@holdfast/base/ids';

type PersistWaiter = {
  readonly through: Index;
  readonly resolve: () => void;
  readonly reject: (error: HoldfastError) => void;
};

export class PersistWaiters {
  #waiters: PersistWaiter[] = [];
  #isClosed = false;

  /** Resolves when `persisted` was told to be at or beyond `through`; rejects at close. */
  until(through: Index): Promise<void> {
    if (this.#isClosed) return Promise.reject(stopping());
    return new Promise((resolve, reject) => this.#waiters.push({ through, resolve, reject }));
  }

  persisted(persisted: Index): void {
    if (this.#waiters.length === 0) return;
    const met = this.#waiters.filter((one) => one.through <= persisted);
    this.#waiters = this.#waiters.filter((one) => one.through > persisted);
    for (const one of met) one.resolve();
  }

  /** No further sync will come: what waits for one must not be done. */
  close(): void {
    this.#isClosed = true;
    for (const one of this.#waiters) one.reject(stopping());
    this.#waiters = [];
  }
}

const stopping = (): HoldfastError =>
  new HoldfastError('shutting-down', 'this member stops before its log is synced that far');
