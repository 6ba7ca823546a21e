// One request under way at an endpoint, until the last byte of its answer or until it is given up.
// It ends with its asker's signal, and with the endpoint's death.
import { LinkedAbort } from './linked-abort.ts';

export type ExchangeOptions = {
  readonly parent: AbortSignal;
  readonly onHeard: () => void;
  readonly onEnd: (exchange: Exchange) => void;
};

export class Exchange {
  readonly #options: ExchangeOptions;
  readonly #linked: LinkedAbort;
  #isOver = false;

  constructor(options: ExchangeOptions) {
    this.#options = options;
    this.#linked = new LinkedAbort(options.parent);
  }

  get signal(): AbortSignal {
    return this.#linked.signal;
  }

  /** A part of the answer has come. */
  heard(): void {
    if (!this.#isOver) this.#options.onHeard();
  }

  /** Whoever waits for it is told this reason. */
  abort(reason: unknown): void {
    this.#linked.abort(reason);
    this.end();
  }

  /** Ending twice does nothing more. */
  end(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#linked.unlink();
    this.#options.onEnd(this);
  }
}
