// How fresh an answer must be, and the wait until this member can give it.
import { unreachable } from '@holdfast/base/assert';
import { HoldfastError } from '@holdfast/base/errors';
import type { Revision } from '@holdfast/base/ids';
import type { KvStore } from '@holdfast/mvcc/kv-store';
import type { Replica } from '@holdfast/replica/replica';
import type { AnswerRoom, ReadOptions } from './engine.ts';
import { RevisionWaiters } from './revision-waiters.ts';

export class Freshness {
  readonly #replica: Pick<Replica, 'readBarrier' | 'ageMs'>;
  readonly #store: Pick<KvStore, 'revision'>;
  readonly #waiters = new RevisionWaiters();
  #newest: { readonly barrier: Promise<void>; readonly age: Promise<number> } | undefined;

  constructor(of: {
    readonly replica: Pick<Replica, 'readBarrier' | 'ageMs'>;
    readonly store: Pick<KvStore, 'revision'>;
  }) {
    this.#replica = of.replica;
    this.#store = of.store;
  }

  /**
   * Waits as the level asks; answers the age that the answer must show. No promise where there is
   * nothing to wait for, and one for all who wait for the same.
   */
  await(options: ReadOptions): Promise<number | undefined> | number | undefined {
    const { minRevision, signal } = options;
    if (minRevision === undefined || this.#store.revision >= minRevision) return this.#age(options);
    return this.awaitRevision(minRevision, signal).then(() => this.#age(options));
  }

  /** After a wait as the level asks, until there is room for the answer; as that wait answers. */
  async awaitRoom(
    room: AnswerRoom,
    options: ReadOptions,
    ageMs: number | undefined,
  ): Promise<number | undefined> {
    await room.wait(options.signal);
    // A barrier holds for whatever is read after it; an age has grown.
    return ageMs === 0 ? 0 : await this.await(options);
  }

  #age({ consistency, signal }: ReadOptions): Promise<number | undefined> | number | undefined {
    switch (consistency?.level) {
      case undefined:
      case 'linearizable':
        return this.#confirmed(this.#replica.readBarrier(signal));
      case 'bounded':
        return this.#requireAge(consistency.maxAgeMs);
      case 'stale':
        return this.#replica.ageMs;
      default:
        return unreachable(consistency);
    }
  }

  #confirmed(barrier: Promise<void>): Promise<number> {
    if (this.#newest?.barrier !== barrier) {
      this.#newest = { barrier, age: barrier.then(() => 0) };
    }
    return this.#newest.age;
  }

  async awaitRevision(wanted: Revision | undefined, signal?: AbortSignal): Promise<void> {
    if (wanted === undefined || this.#store.revision >= wanted) return;
    await this.#waiters.until(wanted, signal);
  }

  /** The store has got so far. */
  reached(revision: Revision): void {
    this.#waiters.reached(revision);
  }

  close(): void {
    this.#waiters.close();
  }

  #requireAge(maxAgeMs: number): number {
    const { ageMs } = this.#replica;
    if (ageMs !== undefined && ageMs <= maxAgeMs) return ageMs;
    const known = ageMs === undefined ? 'not known yet' : `${Math.ceil(ageMs)} ms`;
    throw new HoldfastError(
      'stale-unknown',
      `this member's state may be older than the ${maxAgeMs} ms that were asked for; ` +
        `its age is ${known}`,
      { details: ageMs === undefined ? {} : { ageMs } },
    );
  }
}
