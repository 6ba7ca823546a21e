// How fresh an answer must be, and the wait until this member can give it.
import { unreachable } from '@holdfast/base/assert';
import { HoldfastError } from '@holdfast/base/errors';
import type { Revision } from '@holdfast/base/ids';
import type { KvStore } from '@holdfast/mvcc/kv-store';
import type { Replica } from '@holdfast/replica/replica';
import type { ReadOptions } from './engine.ts';
import { RevisionWaiters } from './revision-waiters.ts';

export class Freshness {
  readonly #replica: Pick<Replica, 'readBarrier' | 'ageMs'>;
  readonly #store: Pick<KvStore, 'revision'>;
  readonly #waiters = new RevisionWaiters();

  constructor(of: {
    readonly replica: Pick<Replica, 'readBarrier' | 'ageMs'>;
    readonly store: Pick<KvStore, 'revision'>;
  }) {
    this.#replica = of.replica;
    this.#store = of.store;
  }

  /** Waits as the level asks; answers the age that the answer must show. */
  async await(options: ReadOptions): Promise<number | undefined> {
    const consistency = options.consistency ?? { level: 'linearizable' };
    await this.awaitRevision(options.minRevision, options.signal);
    switch (consistency.level) {
      case 'linearizable':
        await this.#replica.readBarrier(options.signal);
        return 0;
      case 'bounded':
        return this.#requireAge(consistency.maxAgeMs);
      case 'stale':
        return this.#replica.ageMs;
      default:
        return unreachable(consistency);
    }
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
