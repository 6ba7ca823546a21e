// Finds a key's slot by its bytes, and knows the newest record of every slot: a hash table with
// linear probing over typed arrays, so that a write to a known key makes no string and walks no
// tree. The key's bytes are not kept here; they stand in the newest record.
import { assert } from '@holdfast/base/assert';
import type { RecordHeap } from './record-heap.ts';

const slotsAtFirst = 1024;

type KeyBytes = { readonly lo: number; readonly hi: number };

export class KeyTable {
  readonly #heap: RecordHeap;
  readonly #freeSlots: number[] = [];
  #slotsUsed = 0;
  /** By slot. */
  #newest = new Uint32Array(slotsAtFirst);
  #hashes = new Uint32Array(slotsAtFirst);
  /**
   * Slot + 1 where its hash leads, or the next free place behind; 0 = nobody. Half full at most.
   */
  #places = new Uint32Array(slotsAtFirst * 2);

  constructor(heap: RecordHeap) {
    this.#heap = heap;
  }

  /** The key's slot, or -1. */
  find(keyspace: number, key: Uint8Array): number {
    const hash = hashOf(keyspace, key, { lo: 0, hi: key.length });
    const mask = this.#places.length - 1;
    for (let at = hash & mask; ; at = (at + 1) & mask) {
      const slot = (this.#places[at] as number) - 1;
      if (slot < 0) return -1;
      if (this.#hashes[slot] !== hash) continue;
      if (this.#heap.hasKey(this.#newest[slot] as number, keyspace, key)) return slot;
    }
  }

  /** Gives a key that has none a slot. */
  add(keyspace: number, key: Uint8Array): number {
    const slot = this.#freeSlots.pop() ?? this.#newSlot();
    this.#hashes[slot] = hashOf(keyspace, key, { lo: 0, hi: key.length });
    this.#place(slot);
    return slot;
  }

  /**
   * As `add`, for a key whose bytes stand at [lo, hi) and that is sure to be new; it is not found
   * before `placeLoaded` has come to its slot.
   */
  load(keyspace: number, bytes: Uint8Array, range: KeyBytes): number {
    if (this.#slotsUsed === this.#newest.length) this.#growSlots();
    const slot = this.#slotsUsed;
    this.#hashes[slot] = hashOf(keyspace, bytes, range);
    this.#slotsUsed += 1;
    return slot;
  }

  /** Makes loaded slots [lo, hi) findable; from 0 on, to the last one, and nothing in between. */
  placeLoaded(lo: number, hi: number): void {
    if (lo === 0) this.#places = new Uint32Array(this.#newest.length * 2);
    for (let slot = lo; slot < hi; slot += 1) this.#place(slot);
  }

  remove(slot: number): void {
    const mask = this.#places.length - 1;
    let hole = (this.#hashes[slot] as number) & mask;
    while (this.#places[hole] !== slot + 1) hole = (hole + 1) & mask;
    // Those behind the hole move up, unless they stand between their own place and the hole.
    for (let at = (hole + 1) & mask; this.#places[at] !== 0; at = (at + 1) & mask) {
      const home = (this.#hashes[(this.#places[at] as number) - 1] as number) & mask;
      if (((at - home) & mask) < ((at - hole) & mask)) continue;
      this.#places[hole] = this.#places[at] as number;
      hole = at;
    }
    this.#places[hole] = 0;
    this.#newest[slot] = 0;
    this.#freeSlots.push(slot);
  }

  /** Slots that have ever been given; all are below it. */
  get slots(): number {
    return this.#slotsUsed;
  }

  /** Address of the newest record of the slot's key. */
  newest(slot: number): number {
    return this.#newest[slot] as number;
  }

  setNewest(slot: number, address: number): void {
    this.#newest[slot] = address;
  }

  #newSlot(): number {
    if (this.#slotsUsed === this.#newest.length) this.#grow();
    this.#slotsUsed += 1;
    return this.#slotsUsed - 1;
  }

  #grow(): void {
    assert(this.#freeSlots.length === 0, 'all slots are taken when the table grows');
    this.#growSlots();
    this.#places = new Uint32Array(this.#places.length * 2);
    for (let slot = 0; slot < this.#slotsUsed; slot += 1) this.#place(slot);
  }

  #growSlots(): void {
    this.#newest = doubled(this.#newest);
    this.#hashes = doubled(this.#hashes);
  }

  #place(slot: number): void {
    const mask = this.#places.length - 1;
    let at = (this.#hashes[slot] as number) & mask;
    while (this.#places[at] !== 0) at = (at + 1) & mask;
    this.#places[at] = slot + 1;
  }
}

function doubled(array: Uint32Array): Uint32Array<ArrayBuffer> {
  const grown = new Uint32Array(array.length * 2);
  grown.set(array);
  return grown;
}

/** FNV-1a, with a last mix because places use the low bits. */
function hashOf(keyspace: number, bytes: Uint8Array, { lo, hi }: KeyBytes): number {
  let hash = 0x811c9dc5 ^ keyspace;
  for (let at = lo; at < hi; at += 1) {
    hash = Math.imul(hash ^ (bytes[at] as number), 0x01000193);
  }
  hash = Math.imul(hash ^ (hash >>> 15), 0x85ebca6b);
  return (hash ^ (hash >>> 13)) >>> 0;
}
