// Whose turn it is among the watchers of a member: some read in each turn of the event loop, in the
// order of asking. A thousand that wake at one event, or catch up at once, thus never hold the loop
// (safety.md 11), and none of them comes twice before another one came once.
import { Fifo } from '@holdfast/base/fifo';

/** Answers how many bytes it came to. */
export type TurnRead = () => number;

/** A read is of 64 KiB or one event (watch-cursor.ts). */
const readBytes = 64 * 1024;
/** Some milliseconds of work in a turn. */
const turnBytes = 16 * readBytes;
/** What a read is counted with beside its bytes: 256 reads of next to nothing are a turn. */
const readCostBytes = turnBytes / 256;

export class WatchTurns {
  readonly #nextTurn: (action: () => void) => void;
  /** At most one for each watch, or reader of several, that is open. */
  readonly #waiting = new Fifo<TurnRead>();
  #leftBytes = turnBytes;
  #isOpening = false;

  /** `nextTurn` runs its action after the events at hand (setImmediate). */
  constructor(nextTurn: (action: () => void) => void) {
    this.#nextTurn = nextTurn;
  }

  /** Undefined: read now, as much as one read is; else when it resolves. */
  take(): Promise<void> | undefined {
    this.#openNext();
    if (this.#leftBytes > 0) {
      this.#leftBytes -= readBytes;
      return undefined;
    }
    return new Promise((resolve) =>
      this.#waiting.push(() => {
        resolve();
        return readBytes;
      }),
    );
  }

  /** Runs the read in its turn, never at once; it must not throw, and may ask again. */
  ask(read: TurnRead): void {
    this.#waiting.push(read);
    this.#openNext();
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
    this.#leftBytes = turnBytes;
    while (this.#leftBytes > 0) {
      const read = this.#waiting.shift();
      if (!read) return;
      this.#leftBytes -= Math.max(readCostBytes, read());
    }
    this.#openNext();
  }
}
