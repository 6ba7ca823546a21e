// All watches of a member on its store: whoever reads them, they end with the member, or when its
// state is in doubt, and take turns with each other.
import type { Clock } from '@holdfast/base/clock';
import type { HoldfastError } from '@holdfast/base/errors';
import type { KvStore } from '@holdfast/mvcc/kv-store';
import type { PulledWatches, WatchRequest, WatchStream } from './engine.ts';
import { StorePulledWatches } from './store-pulled-watches.ts';
import { StoreWatch } from './store-watch.ts';
import { WatchTurns } from './watch-turns.ts';

export type EngineWatchesOptions = {
  readonly store: KvStore;
  readonly clock: Clock;
  /** Runs the action after the events at hand (setImmediate). */
  readonly nextTurn: (action: () => void) => void;
  /** Throws while the state is in doubt. */
  readonly requireSound?: () => void;
};

export class EngineWatches {
  readonly #options: EngineWatchesOptions;
  readonly #turns: WatchTurns;
  readonly #open = new Set<{ fail(reason: HoldfastError): void }>();
  #closed: HoldfastError | undefined;

  constructor(options: EngineWatchesOptions) {
    this.#options = options;
    this.#turns = new WatchTurns(options.nextTurn);
  }

  /** Throws `compacted` or `invalid-argument`, as the store does. */
  stream(request: WatchRequest, signal: AbortSignal | undefined): WatchStream {
    this.#require();
    const { store, clock } = this.#options;
    const turns = this.#turns;
    const onEnd = (ended: StoreWatch): void => void this.#open.delete(ended);
    const watch = new StoreWatch({ store, clock, turns, request, signal, onEnd });
    this.#open.add(watch);
    return watch;
  }

  pull(onFail: (reason: HoldfastError) => void): PulledWatches {
    this.#require();
    const watches = new StorePulledWatches({
      store: this.#options.store,
      turns: this.#turns,
      onFail,
      onEnd: () => void this.#open.delete(watches),
    });
    this.#open.add(watches);
    return watches;
  }

  fail(reason: HoldfastError): void {
    for (const watch of [...this.#open]) watch.fail(reason);
  }

  /** As fail, and whoever comes later is told the same. */
  close(reason: HoldfastError): void {
    this.#closed = reason;
    this.fail(reason);
  }

  #require(): void {
    if (this.#closed) throw this.#closed;
    this.#options.requireSound?.();
  }
}
