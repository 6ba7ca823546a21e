// The watches of one connection that want nothing older than they say: one guard for all that say
// the same, because most clients say it of all.
import type { HoldfastError } from '@holdfast/base/errors';

import type { FreshStreams } from '../http/fresh-streams.ts';
import type { ClientWatch } from './client-watch.ts';

type Guarded = { readonly watches: Set<ClientWatch>; readonly letGo: () => void };

export class FreshWatches {
  readonly #streams: FreshStreams;
  readonly #onStale: (watch: ClientWatch, reason: HoldfastError) => void;
  readonly #byAge = new Map<number, Guarded>();
  readonly #ages = new Map<ClientWatch, number>();

  /** `onStale`: this member may know of nothing as young. */
  constructor(streams: FreshStreams, onStale: (watch: ClientWatch, reason: HoldfastError) => void) {
    this.#streams = streams;
    this.#onStale = onStale;
  }

  /** Throws `stale-unknown` where it is too late already. */
  add(watch: ClientWatch, maxAgeMs: number): void {
    let guarded = this.#byAge.get(maxAgeMs);
    if (guarded) this.#streams.require(maxAgeMs);
    else {
      guarded = this.#guard(maxAgeMs);
      this.#byAge.set(maxAgeMs, guarded);
    }
    guarded.watches.add(watch);
    this.#ages.set(watch, maxAgeMs);
  }

  remove(watch: ClientWatch): void {
    const maxAgeMs = this.#ages.get(watch);
    if (maxAgeMs === undefined) return;
    this.#ages.delete(watch);
    const guarded = this.#byAge.get(maxAgeMs);
    if (!guarded?.watches.delete(watch) || guarded.watches.size > 0) return;
    guarded.letGo();
    this.#byAge.delete(maxAgeMs);
  }

  #guard(maxAgeMs: number): Guarded {
    const watches = new Set<ClientWatch>();
    const letGo = this.#streams.guard(maxAgeMs, (reason) => {
      for (const watch of [...watches]) this.#onStale(watch, reason);
    });
    return { watches, letGo };
  }
}
