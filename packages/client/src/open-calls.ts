// The calls and watches of one client that are under way, so that its close() ends them all.
import type { HoldfastError } from '@holdfast/base/errors';

export type OpenCall = {
  readonly signal: AbortSignal;
  /** Call it in `finally`. */
  end(): void;
};

export class OpenCalls {
  readonly #open = new Set<AbortController>();
  #closed: HoldfastError | undefined;

  /** A signal that aborts with its parent, and with close(). */
  begin(parent?: AbortSignal): OpenCall {
    const controller = new AbortController();
    const onParent = (): void => controller.abort(parent?.reason);
    if (this.#closed) controller.abort(this.#closed);
    else if (parent?.aborted) onParent();
    else parent?.addEventListener('abort', onParent, { once: true });
    this.#open.add(controller);
    return {
      signal: controller.signal,
      end: () => {
        this.#open.delete(controller);
        parent?.removeEventListener('abort', onParent);
      },
    };
  }

  close(reason: HoldfastError): void {
    this.#closed = reason;
    for (const controller of [...this.#open]) controller.abort(reason);
  }
}
