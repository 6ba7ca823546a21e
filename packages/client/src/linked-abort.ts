// A signal that aborts with its parent, and by itself. AbortSignal.any does the same at several
// times the price, and a call of the SDK needs four of them.

export class LinkedAbort {
  readonly #controller = new AbortController();
  readonly #parent: AbortSignal | undefined;
  readonly #onParent = (): void => this.abort(this.#parent?.reason);

  constructor(parent?: AbortSignal) {
    this.#parent = parent;
    if (parent?.aborted) this.#onParent();
    else parent?.addEventListener('abort', this.#onParent, { once: true });
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  abort(reason: unknown): void {
    this.#controller.abort(reason);
  }

  /** Lets the parent go: call it in `finally`. */
  unlink(): void {
    this.#parent?.removeEventListener('abort', this.#onParent);
  }
}
