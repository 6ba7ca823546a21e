// What nobody caught: an invariant that broke in a socket's callback, a promise without a home.
// Node would end the process with a stack on standard error; here it becomes one rejection, so that
// the member's log has it and its exit code says it.

/** The part of `process` that tells of them. */
export type FaultSource = {
  on(event: 'uncaughtException' | 'unhandledRejection', listener: (thrown: unknown) => void): void;
  off(event: 'uncaughtException' | 'unhandledRejection', listener: (thrown: unknown) => void): void;
};

/** A fault even where it is an operating error: nobody was there to expect it. */
export class UncaughtFault extends Error {
  override readonly name = 'UncaughtFault';

  constructor(thrown: unknown) {
    super(thrown instanceof Error ? thrown.message : String(thrown), { cause: thrown });
  }
}

export class ProcessFaults {
  /** Rejects with the first fault; never resolves. */
  readonly first: Promise<never>;
  readonly #source: FaultSource;
  readonly #take: (thrown: unknown) => void;

  constructor(source: FaultSource) {
    this.#source = source;
    let fail: (error: unknown) => void = () => undefined;
    this.first = new Promise<never>((_, reject) => {
      fail = reject;
    });
    this.#take = (thrown) => fail(new UncaughtFault(thrown));
    source.on('uncaughtException', this.#take);
    source.on('unhandledRejection', this.#take);
  }

  close(): void {
    this.#source.off('uncaughtException', this.#take);
    this.#source.off('unhandledRejection', this.#take);
  }
}
