// Callers that wait until this member has applied a revision (`?min-revision=`, read your writes).
import { HoldfastError } from '@holdfast/base/errors';
import type { Revision } from '@holdfast/base/ids';

type Waiter = {
  readonly wanted: Revision;
  readonly resolve: () => void;
  readonly reject: (reason: unknown) => void;
};

/** More than these are refused: a revision far ahead may never come. */
const waitersMax = 20_000;

export class RevisionWaiters {
  readonly #waiters = new Set<Waiter>();
  #isClosed = false;

  /** Rejects with `resource-exhausted`, `shutting-down`, or the signal's reason. */
  until(wanted: Revision, signal?: AbortSignal): Promise<void> {
    if (this.#isClosed) return Promise.reject(stopping());
    if (signal?.aborted) return Promise.reject(signal.reason);
    if (this.#waiters.size >= waitersMax) return Promise.reject(tooMany());
    return new Promise((resolve, reject) => {
      const leave = (): void => {
        signal?.removeEventListener('abort', onAbort);
        this.#waiters.delete(waiter);
      };
      const onAbort = (): void => waiter.reject(signal?.reason);
      const waiter: Waiter = {
        wanted,
        resolve: () => {
          leave();
          resolve();
        },
        reject: (reason) => {
          leave();
          reject(reason);
        },
      };
      this.#waiters.add(waiter);
      signal?.addEventListener('abort', onAbort, { once: true });
    });
  }

  get count(): number {
    return this.#waiters.size;
  }

  reached(revision: Revision): void {
    if (this.#waiters.size === 0) return;
    for (const waiter of [...this.#waiters]) if (waiter.wanted <= revision) waiter.resolve();
  }

  /** Nothing more will be applied. */
  close(): void {
    this.#isClosed = true;
    for (const waiter of [...this.#waiters]) waiter.reject(stopping());
  }
}

const stopping = (): HoldfastError =>
  new HoldfastError('shutting-down', 'this member stops before it has applied that revision');

const tooMany = (): HoldfastError =>
  new HoldfastError(
    'resource-exhausted',
    `${waitersMax} calls wait for a revision on this member, which is its limit`,
  );
