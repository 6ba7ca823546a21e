// The calls and watches of one client that are under way, so that its close() ends them all.
import type { Clock, Timer } from '@holdfast/base/clock';
import { deadlineExceeded } from '@holdfast/base/deadline';
import type { HoldfastError } from '@holdfast/base/errors';

import { LinkedAbort } from './linked-abort.ts';

/** How long a call may take, with all its tries. */
export type TimeLimit = { readonly clock: Clock; readonly timeoutMs: number };

export type OpenCall = {
  readonly signal: AbortSignal;
  /** Call it in `finally`. */
  end(): void;
};

export class OpenCalls {
  readonly #open = new Set<LinkedAbort>();
  #closed: HoldfastError | undefined;

  /** A signal that aborts with its parent, with close(), and at its time. */
  begin(parent?: AbortSignal, limit?: TimeLimit): OpenCall {
    const linked = new LinkedAbort(parent);
    if (this.#closed) linked.abort(this.#closed);
    this.#open.add(linked);
    const timer = limit && startTimer(linked, limit);
    return {
      signal: linked.signal,
      end: () => {
        timer?.cancel();
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

const startTimer = (linked: LinkedAbort, { clock, timeoutMs }: TimeLimit): Timer =>
  clock.schedule(timeoutMs, () => linked.abort(deadlineExceeded(timeoutMs)));
