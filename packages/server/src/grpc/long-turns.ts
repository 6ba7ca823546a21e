// Who waits for its turn to make a long answer, in the order of asking: those whose clients have
// read before and those of whom nothing is known in turn, so that a crowd that never reads is not
// in the way of clients that do, nor these of a new one.

export type Waiter = {
  readonly start: () => void;
  readonly refuse: (reason: unknown) => void;
};

export class LongTurns {
  readonly #readers = new Map<object, Waiter>();
  readonly #strangers = new Map<object, Waiter>();
  #wasReader = false;

  get size(): number {
    return this.#readers.size + this.#strangers.size;
  }

  add(call: object, waiter: Waiter, hasRead: boolean): void {
    (hasRead ? this.#readers : this.#strangers).set(call, waiter);
  }

  next(): object | undefined {
    const [reader] = this.#readers.keys();
    const [stranger] = this.#strangers.keys();
    const isReader = reader !== undefined && (stranger === undefined || !this.#wasReader);
    this.#wasReader = isReader;
    return isReader ? reader : stranger;
  }

  take(call: object): Waiter | undefined {
    const waiter = this.#readers.get(call) ?? this.#strangers.get(call);
    this.#readers.delete(call);
    this.#strangers.delete(call);
    return waiter;
  }
}
