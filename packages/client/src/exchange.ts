// One request under way at an endpoint, until the last byte of its answer or until it is given up.
// It ends with its asker's signal, and with the endpoint's death.

export type ExchangeOptions = {
  readonly parent: AbortSignal;
  readonly onHeard: () => void;
  readonly onEnd: (exchange: Exchange) => void;
};

export class Exchange {
  readonly #options: ExchangeOptions;
  readonly #controller = new AbortController();
  readonly #onParent = (): void => this.#controller.abort(this.#options.parent.reason);
  #isOver = false;

  constructor(options: ExchangeOptions) {
    this.#options = options;
    if (options.parent.aborted) this.#onParent();
    else options.parent.addEventListener('abort', this.#onParent, { once: true });
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** A part of the answer has come. */
  heard(): void {
    if (!this.#isOver) this.#options.onHeard();
  }

  /** Whoever waits for it is told this reason. */
  abort(reason: unknown): void {
    this.#controller.abort(reason);
    this.end();
  }

  /** Ending twice does nothing more. */
  end(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#options.parent.removeEventListener('abort', this.#onParent);
    this.#options.onEnd(this);
  }
}
