// The calls and watches of one client that are under way, so that its close() ends them all.
import type { HoldfastError } from '@holdfast/base/errors';

import { LinkedAbort } from './linked-abort.ts';

export type OpenCall = {
  readonly signal: AbortSignal;
  /** Call it in `finally`. */
  end(): void;
};

export class OpenCalls {
  readonly #open = new Set<LinkedAbort>();
  #closed: HoldfastError | undefined;

  /** A signal that aborts with its parent, and with close(). */
  begin(parent?: AbortSignal): OpenCall {
    const linked = new LinkedAbort(parent);
    if (this.#closed) linked.abort(this.#closed);
    this.#open.add(linked);
    return {
      signal: linked.signal,
      end: () => {
        this.#open.delete(linked);
        linked.unlink();
      },
    };
  }

  close(reason: HoldfastError): void {
    this.#closed = reason;
    for (const linked of [...this.#open]) linked.abort(reason);
  }
}
