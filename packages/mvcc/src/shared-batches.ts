// The batches that watchers of one range have read last. Who reads the same revision of the same
// range gets the very same object, so that whoever passes it on can make what it needs of it once
// for all of them. A bounded memory of views on records: what is no longer there is read anew.
import { eventBytes, type WatchBatch } from './watch-history.ts';

/** Of those that lag: what everybody has read is forgotten at once. */
const batchesMax = 256;
const bytesMax = 8 * 1024 * 1024;

export class SharedBatches {
  /** In the order of reading. */
  readonly #kept = new Map<string, { readonly batch: WatchBatch; readonly bytes: number }>();
  #bytes = 0;

  /** The batch of that revision that readers of that kind were given before, or now this one. */
  share(kind: string, batch: WatchBatch): WatchBatch {
    const name = `${kind}:${batch.revision}`;
    const known = this.#kept.get(name);
    if (known) return known.batch;
    const bytes = batch.events.reduce((sum, event) => sum + eventBytes(event), 0);
    this.#kept.set(name, { batch, bytes });
    this.#bytes += bytes;
    this.#dropOldest();
    return batch;
  }

  /** Nobody who shares them is going to ask for them again. */
  forget(kind: string, batches: readonly WatchBatch[]): void {
    for (const { revision } of batches) this.#drop(`${kind}:${revision}`);
  }

  /** At a compaction: records that are gone are not held back. */
  clear(): void {
    this.#kept.clear();
    this.#bytes = 0;
  }

  #dropOldest(): void {
    for (const name of this.#kept.keys()) {
      if (this.#kept.size <= batchesMax && this.#bytes <= bytesMax) return;
      this.#drop(name);
    }
  }

  #drop(name: string): void {
    const known = this.#kept.get(name);
    if (!known) return;
    this.#kept.delete(name);
    this.#bytes -= known.bytes;
  }
}
