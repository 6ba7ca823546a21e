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
/** In one turn, of connections that brought many before. */
const turnCallsMax = 512;

export class CallPace {
  readonly #nextTurn: (action: () => void) => void;
  /** What each connection has begun in this turn. */
  #begun = new Map<PacedConnection, number>();
  /** Not read from, in order, with what they brought last. */
  readonly #waiting = new Map<PacedConnection, number>();
  #isTurning = false;

  constructor(nextTurn: (action: () => void) => void = setImmediate) {
    this.#nextTurn = nextTurn;
  }

  begin(connection: PacedConnection): void {
    const calls = (this.#begun.get(connection) ?? 0) + 1;
    this.#begun.set(connection, calls);
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

  #turn(): void {
    this.#begun.clear();
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
