// Whose turn it is among the watchers of a member: a few read in each turn of the event loop, in
// the order of asking. A thousand that wake at one event, or catch up at once, thus never hold the
// loop (safety.md 11), and none of them comes twice before another one came once.

/** A read is of 64 KiB or one event (watch-hub.ts): some milliseconds of work in a turn. */
const readsPerTurn = 16;

export class WatchTurns {
  readonly #nextTurn: (action: () => void) => void;
  /** At most one for each watch that is open. */
  #waiting: (() => void)[] = [];
  #left = readsPerTurn;
  #isOpening = false;

  /** `nextTurn` runs its action after the events at hand (setImmediate). */
  constructor(nextTurn: (action: () => void) => void) {
    this.#nextTurn = nextTurn;
  }

  /** Undefined: read now; else when it resolves. */
  take(): Promise<void> | undefined {
    this.#openNext();
    if (this.#left > 0) {
      this.#left -= 1;
      return undefined;
    }
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  #openNext(): void {
    if (this.#isOpening) return;
    this.#isOpening = true;
    this.#nextTurn(() => {
      this.#isOpening = false;
      this.#open();
    });
  }

  #open(): void {
    const next = this.#waiting.splice(0, readsPerTurn);
    this.#left = readsPerTurn - next.length;
    if (next.length > 0) this.#openNext();
    for (const read of next) read();
  }
}
