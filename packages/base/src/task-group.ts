// The home of every background promise: no promise floats. The first failure of a task is the
// group's failure and is told once; close() aborts the group's signal and waits for all tasks.

export class TaskGroup {
  readonly #controller = new AbortController();
  readonly #tasks = new Set<Promise<void>>();
  readonly #onFailure: (error: unknown) => void;
  #failed = false;

  constructor(onFailure: (error: unknown) => void) {
    this.#onFailure = onFailure;
  }

  /** Aborted by close(): every task waits with it. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  run(task: (signal: AbortSignal) => Promise<void>): void {
    const running = task(this.signal)
      .catch((error: unknown) => this.#fail(error))
      .finally(() => this.#tasks.delete(running));
    this.#tasks.add(running);
  }

  async close(): Promise<void> {
    if (!this.signal.aborted) this.#controller.abort(new Error('closed'));
    while (this.#tasks.size > 0) await Promise.all(this.#tasks);
  }

  #fail(error: unknown): void {
    // A task that ends by the group's own abort did what it was told.
    if (this.signal.aborted || this.#failed) return;
    this.#failed = true;
    this.#onFailure(error);
  }
}
