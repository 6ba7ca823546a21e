// How many calls are begun in a turn of the event loop. A call costs some 0.1 ms, and a read of one
// connection may bring thousands of them: a few such connections would hold the loop for as long as
// an election takes. Whoever brings many is not read from for the rest of the turn, and those that
// did are read from one after another; whoever brings few never waits for them.

export interface PacedConnection {
  pauseReading(): void;
  resumeReading(): void;
}

/** In one turn: more than these, and a connection is not read from before the next one. */
const connectionCallsMax = 128;
/**
 * In one turn, of connections that brought many before: a dozen milliseconds. Node takes in one new
 * connection a turn, and those that come among a few hundred such wait for as many turns.
 */
const turnCallsMax = 128;

export class CallPace {
  readonly #nextTurn: (action: () => void) => void;
  /**
   * What each connection has begun in the turn in which it began something last: a table that was
   * emptied every turn would be made anew every time (base's linked-list.ts).
   */
  readonly #begun = new Map<PacedConnection, { turn: number; calls: number }>();
  /** Not read from, in order, with what they brought last. */
  readonly #waiting = new Map<PacedConnection, number>();
  #turnNumber = 0;
  #isTurning = false;

  constructor(nextTurn: (action: () => void) => void = setImmediate) {
    this.#nextTurn = nextTurn;
  }

  begin(connection: PacedConnection): void {
    const calls = this.#count(connection);
    if (calls === connectionCallsMax) connection.pauseReading();
    if (calls >= connectionCallsMax) this.#waiting.set(connection, calls);
    if (this.#isTurning) return;
    this.#isTurning = true;
    this.#nextTurn(() => this.#turn());
  }

  forget(connection: PacedConnection): void {
    this.#begun.delete(connection);
    this.#waiting.delete(connection);
  }

  /** With this one, in this turn. */
  #count(connection: PacedConnection): number {
    let begun = this.#begun.get(connection);
    if (!begun) {
      begun = { turn: this.#turnNumber, calls: 0 };
      this.#begun.set(connection, begun);
    }
    if (begun.turn !== this.#turnNumber) begun.calls = 0;
    begun.turn = this.#turnNumber;
    begun.calls += 1;
    return begun.calls;
  }

  #turn(): void {
    this.#turnNumber += 1;
    this.#isTurning = false;
    let calls = 0;
    for (const [connection, brought] of this.#waiting) {
      if (calls > 0 && calls + brought > turnCallsMax) break;
      calls += brought;
      this.#waiting.delete(connection);
      connection.resumeReading();
    }
    if (this.#waiting.size === 0) return;
    this.#isTurning = true;
    this.#nextTurn(() => this.#turn());
  }
}
