// Clients of one kind: they begin together, each runs until all are told to end, and together they
// are idle once the last call has come to its end. Knows nothing of what they do.

export class ClientGroup {
  readonly #onFailure: (error: unknown) => void;
  #running = 0;
  #isEnded = false;

  constructor(onFailure: (error: unknown) => void) {
    this.#onFailure = onFailure;
  }

  /** `run` is one client, which ends by itself soon after `isEnded`. */
  start(count: number, run: (at: number) => Promise<void>): void {
    for (let at = 0; at < count; at += 1) {
      this.#running += 1;
      run(at)
        .catch(this.#onFailure)
        .finally(() => {
          this.#running -= 1;
        });
    }
  }

  end(): void {
    this.#isEnded = true;
  }

  get isEnded(): boolean {
    return this.#isEnded;
  }

  get isIdle(): boolean {
    return this.#running === 0;
  }
}
