// The newest entries in memory, limited by bytes. Entries that are not written yet are always here,
// whatever they weigh: the replica bounds those.
import { assert } from '@holdfast/base/assert';
import { type Index, index } from '@holdfast/base/ids';
import { type Entry, entryBytes } from '@holdfast/raft/entry';

/** Dropped slots at the front are given back once they are this many. */
const slackMax = 1024;

export class EntryCache {
  readonly #bytesMax: number;
  #entries: (Entry | undefined)[] = [];
  #head = 0;
  #first: Index;
  #bytes = 0;

  constructor(first: Index, bytesMax: number) {
    this.#first = first;
    this.#bytesMax = bytesMax;
  }

  /** The index of the first cached entry, or of the next one to come. */
  get first(): Index {
    return this.#first;
  }

  get end(): Index {
    return index(this.#first + this.#entries.length - this.#head);
  }

  get bytes(): number {
    return this.#bytes;
  }

  at(wanted: Index): Entry | undefined {
    if (wanted < this.#first) return undefined;
    return this.#entries[this.#head + wanted - this.#first];
  }

  push(entry: Entry): void {
    assert(entry.index === this.end, 'entries are cached in order');
    this.#entries.push(entry);
    this.#bytes += entryBytes(entry);
  }

  /** Forgets every entry after `last`; an empty cache goes on after it. */
  truncate(last: Index): void {
    while (this.end > last + 1 && this.#entries.length > this.#head) {
      const entry = this.#entries.pop();
      if (entry) this.#bytes -= entryBytes(entry);
    }
    if (this.#first > last + 1) this.#first = index(last + 1);
  }

  /** Drops the oldest while there are too many bytes, but none from `keepFrom` on. */
  shrink(keepFrom: Index): void {
    while (this.#bytes > this.#bytesMax && this.#first < keepFrom) this.#dropFirst();
    if (this.#head < slackMax || this.#head * 2 < this.#entries.length) return;
    this.#entries = this.#entries.slice(this.#head);
    this.#head = 0;
  }

  /** Drops everything at or before `through`. */
  purge(through: Index): void {
    while (this.#first <= through && this.#entries.length > this.#head) this.#dropFirst();
  }

  /** Entries [lo, hi), all cached: as many as fit in `bytesMax`, and at least one. */
  slice(lo: Index, hi: Index, bytesMax: number): Entry[] {
    const found: Entry[] = [];
    let bytes = 0;
    for (let at = this.#head + lo - this.#first; found.length < hi - lo; at += 1) {
      const entry = this.#entries[at] as Entry;
      bytes += entryBytes(entry);
      if (bytes > bytesMax && found.length > 0) break;
      found.push(entry);
    }
    return found;
  }

  #dropFirst(): void {
    const entry = this.#entries[this.#head];
    if (entry) this.#bytes -= entryBytes(entry);
    this.#entries[this.#head] = undefined;
    this.#head += 1;
    this.#first = index(this.#first + 1);
  }
}
