// Callers that wait until this member has applied a revision (`?min-revision=`, read your writes).
import type { Revision } from '@holdfast/base/ids';

type Waiter = { readonly wanted: Revision; readonly resolve: () => void };

export class RevisionWaiters {
  #waiters: Waiter[] = [];

  until(wanted: Revision): Promise<void> {
    return new Promise((resolve) => this.#waiters.push({ wanted, resolve }));
  }

  reached(revision: Revision): void {
    if (this.#waiters.length === 0) return;
    const met = this.#waiters.filter((waiter) => waiter.wanted <= revision);
    this.#waiters = this.#waiters.filter((waiter) => waiter.wanted > revision);
    for (const waiter of met) waiter.resolve();
  }

  /** Nothing more will be applied: the callers' own signals end the rest. */
  close(): void {
    this.#waiters = [];
  }
}
