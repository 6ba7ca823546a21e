// All watches of a member on its store: whoever reads them, they end with the member, or when its
// state is in doubt, and take turns with each other.
import type { Clock } from '@holdfast/base/clock';
import type { HoldfastError } from '@holdfast/base/errors';
import type { Subject } from '@holdfast/domain/subject';
import type { KvStore } from '@holdfast/mvcc/kv-store';
import type { AccessGuard } from './access-guard.ts';
import type { PulledWatches, ReadOptions, WatchRequest, WatchStream } from './engine.ts';
import { StorePulledWatches } from './store-pulled-watches.ts';
import { StoreWatch } from './store-watch.ts';
import { WatchTurns } from './watch-turns.ts';

export type EngineWatchesOptions = {
  readonly store: KvStore;
  readonly clock: Clock;
  readonly access: AccessGuard;
  /** Runs the action after the events at hand (setImmediate). */
  readonly nextTurn: (action: () => void) => void;
  /** Throws while the state is in doubt. */
  readonly requireSound?: () => void;
};

export class EngineWatches {
  readonly #options: EngineWatchesOptions;
  readonly #turns: WatchTurns;
  readonly #open = new Set<{ fail(reason: HoldfastError): void }>();
  /** Of these, which are told; those that are pulled are judged when they are read. */
  readonly #streams = new Set<StoreWatch>();
  #judgedAt = 0;
  #closed: HoldfastError | undefined;

  constructor(options: EngineWatchesOptions) {
    this.#options = options;
    this.#turns = new WatchTurns(options.nextTurn);
  }

  /** Throws `compacted` or `invalid-argument`, as the store does, and what is not allowed. */
  stream(
    request: WatchRequest,
    { signal, subject }: Pick<ReadOptions, 'signal' | 'subject'>,
  ): WatchStream {
    this.#require();
    const { store, clock, access } = this.#options;
    const turns = this.#turns;
    const onEnd = (ended: StoreWatch): void => this.#end(ended);
    const asked = { request, signal, subject };
    const watch = new StoreWatch({ store, clock, access, turns, ...asked, onEnd });
    this.#open.add(watch);
    this.#streams.add(watch);
    return watch;
  }

  pull(onFail: (reason: HoldfastError) => void, subject: Subject | undefined): PulledWatches {
    this.#require();
    const { store, access } = this.#options;
    const watches = new StorePulledWatches({
      ...{ store, access, subject },
      turns: this.#turns,
      onFail,
      onEnd: () => void this.#open.delete(watches),
    });
    this.#open.add(watches);
    return watches;
  }

  /** After every change of the state: who may not watch any more hears of it at once. */
  judge(): void {
    const { accessRevision } = this.#options.store;
    if (accessRevision === this.#judgedAt) return;
    this.#judgedAt = accessRevision;
    for (const watch of [...this.#streams]) watch.judge();
  }

  fail(reason: HoldfastError): void {
    for (const watch of [...this.#open]) watch.fail(reason);
  }

  /** As fail, and whoever comes later is told the same. */
  close(reason: HoldfastError): void {
    this.#closed = reason;
    this.fail(reason);
  }

  #end(watch: StoreWatch): void {
    this.#open.delete(watch);
    this.#streams.delete(watch);
  }

  #require(): void {
    if (this.#closed) throw this.#closed;
    this.#options.requireSound?.();
  }
}
