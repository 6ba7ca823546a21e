// Work that waits until the log is synced up to an index: a snapshot must not be ahead of it.
import type { Index } from '@holdfast/base/ids';

type PersistWaiter = { readonly through: Index; readonly resolve: () => void };

export class PersistWaiters {
  #waiters: PersistWaiter[] = [];

  /** Resolves when `persisted` was told to be at or beyond `through`. */
  until(through: Index): Promise<void> {
    return new Promise((resolve) => this.#waiters.push({ through, resolve }));
  }

  persisted(persisted: Index): void {
    if (this.#waiters.length === 0) return;
    const met = this.#waiters.filter((one) => one.through <= persisted);
    this.#waiters = this.#waiters.filter((one) => one.through > persisted);
    for (const one of met) one.resolve();
  }

  close(): void {
    for (const one of this.#waiters) one.resolve();
    this.#waiters = [];
  }
}
