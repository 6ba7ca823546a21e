// What clients saw: the list of calls and answers that the judges of client promises read. Owns the
// order of calls and returns; knows nothing about how an answer came about.

/** The text of a value; undefined = the key is absent. Values are unique in a history. */
export type Register = string | undefined;

export type RegisterAction =
  | { readonly type: 'get' }
  | { readonly type: 'put'; readonly value: string }
  | { readonly type: 'delete' }
  | { readonly type: 'compare-and-set'; readonly expected: Register; readonly value: string };

/** What an answer says about the register just before the operation took effect. */
export type RegisterResult =
  | { readonly type: 'observed'; readonly before: Register }
  /** The operation took effect, and the answer does not say what stood there before. */
  | { readonly type: 'done' };

export type RegisterOperation = {
  readonly client: number;
  readonly key: string;
  readonly action: RegisterAction;
  /** Positions in the one order of all calls and returns of a history. */
  readonly calledAt: number;
  /** Infinity while unknown: it may take effect at any later time, or never. */
  readonly returnedAt: number;
  /** Undefined: the outcome is unknown. */
  readonly result: RegisterResult | undefined;
};

type Open = { readonly client: number; readonly key: string; readonly action: RegisterAction };

/**
 * A call that has no answer yet. Exactly one of its methods is called, or none: then it is unknown.
 */
export type OpenCall = {
  answered(result: RegisterResult): void;
  /** Certainly without effect: the history forgets it, and no read may ever see its value. */
  refused(): void;
};

export class History {
  #clock = 0;
  readonly #operations = new Set<RegisterOperation>();

  call(open: Open): OpenCall {
    const calledAt = this.#tick();
    const { client, key, action } = open;
    const unknown = { client, key, action, calledAt, returnedAt: Infinity, result: undefined };
    this.#operations.add(unknown);
    return {
      answered: (result) => {
        this.#operations.delete(unknown);
        this.#operations.add({ ...unknown, returnedAt: this.#tick(), result });
      },
      refused: () => void this.#operations.delete(unknown),
    };
  }

  /** All operations that had, or may have had, an effect. */
  get operations(): readonly RegisterOperation[] {
    return [...this.#operations];
  }

  get count(): number {
    return this.#operations.size;
  }

  #tick(): number {
    this.#clock += 1;
    return this.#clock;
  }
}
