// How an image names keys: by the order of their first records in it; and in which order of their
// texts they stand, which is read from the indexes while they go on. A key that is made meanwhile
// has no number and is passed over; none is taken out, because nothing is reclaimed under an image.
import { type ImageSection, sectionBytesMax, sectionKinds } from './image-format.ts';
import type { KeyIndex } from './key-index.ts';
import type { StoreState } from './store-state.ts';

/** Keys of one section; in front of them stand keyspace and zero. */
const keysPerSection = sectionBytesMax / 4 - 2;
/** Keys that are looked at between two turns of other work. */
const keysPerStep = 8192;

export class KeyOrder {
  readonly #state: StoreState;
  /** By slot; 0 = none yet. */
  readonly #numbers: Uint32Array;
  #keys = 0;

  constructor(state: StoreState) {
    this.#state = state;
    this.#numbers = new Uint32Array(state.slots);
  }

  /** The number of the key that has the slot: a new one if it is the first time. */
  numberOf(slot: number): number {
    const known = this.#numbers[slot] as number;
    if (known > 0) return known - 1;
    this.#keys += 1;
    this.#numbers[slot] = this.#keys;
    return this.#keys - 1;
  }

  /** The sections of all keyspaces; undefined between two steps that found none to write. */
  *sections(): Generator<ImageSection | undefined, void, void> {
    for (const keyspace of this.#state.keyspaces) yield* this.#sectionsOf(keyspace);
  }

  *#sectionsOf(keyspace: number): Generator<ImageSection | undefined, void, void> {
    const index = this.#state.indexOf(keyspace);
    if (!index) return;
    let section = this.#newSection(keyspace);
    let items = 0;
    for (let lo: string | undefined = ''; lo !== undefined; ) {
      const step = this.#step(index, lo, keysPerSection - items);
      section.set(step.numbers, 2 + items);
      items += step.numbers.length;
      lo = step.next;
      if (items === keysPerSection || (lo === undefined && items > 0)) {
        yield asSection(section, items);
        section = this.#newSection(keyspace);
        items = 0;
      } else yield undefined;
    }
  }

  /** The key space's number, a gap, then room for the keys, in eights of bytes. */
  #newSection(keyspace: number): Uint32Array {
    const words = new Uint32Array(2 + Math.min(keysPerSection, this.#state.slots + 1));
    words[0] = keyspace;
    return words;
  }

  /** Numbers of the next keys from `lo` on; the text to go on at, or undefined at the end. */
  #step(
    index: KeyIndex,
    lo: string,
    max: number,
  ): { readonly numbers: readonly number[]; readonly next: string | undefined } {
    const numbers: number[] = [];
    let last = -1;
    let seen = 0;
    index.scanSlots(lo, (slot) => {
      if (seen === keysPerStep || numbers.length === max) return false;
      seen += 1;
      last = slot;
      const number = this.#numbers[slot] ?? 0;
      if (number > 0) numbers.push(number - 1);
      return true;
    });
    // The least text above the last key's own.
    const next = seen === keysPerStep || numbers.length === max;
    return { numbers, next: next ? `${this.#state.keyTextOf(last)}\0` : undefined };
  }
}

function asSection(words: Uint32Array, items: number): ImageSection {
  const payload = new Uint8Array(words.buffer, 0, ((items * 4 + 7) & ~7) + 8);
  return { kind: sectionKinds.order, items, payload };
}
