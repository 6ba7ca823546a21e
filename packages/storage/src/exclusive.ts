// Work on one state, one piece after the other, in the order of the calls.

export class Exclusive {
  #tail: Promise<unknown> = Promise.resolve();

  /** Runs `work` when everything before it has ended, well or badly. */
  run<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#tail.then(work);
    // The caller gets the failure; the next in line only waits.
    this.#tail = done.catch(() => undefined);
    return done;
  }
}
