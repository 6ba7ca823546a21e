// Linearizable reads: each waits for an index that a leader confirmed after the read arrived, and
// then for this member to have applied it. All reads of one turn share a request; the core's rounds
// do the rest (safety.md 13).
import { HoldfastError } from '@holdfast/base/errors';
import type { Index, RequestId } from '@holdfast/base/ids';

/** Those who arrived in one turn: they are answered together. */
type Readers = {
  readonly answer: Promise<Index | undefined>;
  readonly resolve: (index: Index | undefined) => void;
};
type Applied = {
  readonly index: Index;
  readonly resolve: () => void;
  readonly reject: (error: HoldfastError) => void;
};

export class ReadBarriers {
  #arriving: Readers | undefined;
  readonly #asked = new Map<RequestId, Readers>();
  #untilApplied: Applied[] = [];
  #isClosed = false;

  /**
   * Resolves with the confirmed index, or undefined if no leader could confirm one; the same
   * promise for all who ask before the request leaves.
   */
  join(): Promise<Index | undefined> {
    if (this.#isClosed) return Promise.resolve(undefined);
    this.#arriving ??= newReaders();
    return this.#arriving.answer;
  }

  get hasArriving(): boolean {
    return this.#arriving !== undefined;
  }

  /** All that have arrived go out under one request. */
  ask(requestId: RequestId): void {
    if (this.#arriving) this.#asked.set(requestId, this.#arriving);
    this.#arriving = undefined;
  }

  answered(requestId: RequestId, readIndex: Index | undefined): void {
    const readers = this.#asked.get(requestId);
    this.#asked.delete(requestId);
    readers?.resolve(readIndex);
  }

  /**
   * Resolves when `index` is applied, at once if it is; rejects at close: it then never will be.
   */
  untilApplied(index: Index, applied: Index): Promise<void> {
    if (index <= applied) return Promise.resolve();
    if (this.#isClosed) return Promise.reject(stopping());
    return new Promise((resolve, reject) => this.#untilApplied.push({ index, resolve, reject }));
  }

  applied(applied: Index): void {
    if (this.#untilApplied.length === 0) return;
    const met = this.#untilApplied.filter((one) => one.index <= applied);
    this.#untilApplied = this.#untilApplied.filter((one) => one.index > applied);
    for (const one of met) one.resolve();
  }

  /** What they wait for is not applied soon: somebody else has it. */
  refuseWaiting(why: () => HoldfastError): void {
    const waiting = this.#untilApplied;
    this.#untilApplied = [];
    for (const one of waiting) one.reject(why());
  }

  /** Nothing is confirmed or applied any more. */
  close(): void {
    this.#isClosed = true;
    this.#arriving?.resolve(undefined);
    for (const readers of this.#asked.values()) readers.resolve(undefined);
    this.#arriving = undefined;
    this.#asked.clear();
    for (const one of this.#untilApplied) one.reject(stopping());
    this.#untilApplied = [];
  }
}

function newReaders(): Readers {
  let resolve: Readers['resolve'] = () => undefined;
  const answer = new Promise<Index | undefined>((resolveIt) => {
    resolve = resolveIt;
  });
  return { answer, resolve };
}

const stopping = (): HoldfastError =>
  new HoldfastError('shutting-down', 'this member stops before it has applied what is asked for');
