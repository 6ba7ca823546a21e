// A digest of everything that lies in memory, as it was at one index: what tells that a bit has
// turned in a state that was right once. The rolling hash (state-hash.ts) can not: it has seen the
// changes, and never looks again. Freezing copies no record; the walk goes in short slices while
// writes go on, under the same rules as an image. Sound members that stand at one index have one
// digest, whatever was reclaimed or loaded in between.
import { type Index, index } from '@holdfast/base/ids';
import type { YieldNow } from './image-format.ts';
import { type FrozenTables, freezeTables, tableSections } from './image-tables.ts';
import { KeyOrder } from './key-order.ts';
import {
  doubleAt,
  type FrozenSlab,
  isKept,
  type RecordSlab,
  recordBodyAt,
  recordHeaderBytes,
  wordAt,
} from './record-slab.ts';
import { hashTags, StateHash } from './state-hash.ts';
import { encodeHead } from './store-image.ts';
import type { StoreState } from './store-state.ts';

export type StateDigest = {
  /** The state right after that entry. */
  readonly index: Index;
  /** The rolling hash there. */
  readonly stateHash: bigint;
  readonly contentHash: bigint;
  /** 32 bits of each part: records by their revision, then order, head and tables. */
  readonly parts: readonly number[];
};

/** How a digest is made: another number once it is made otherwise. */
export const digestFormat = 1;

/** Records are dealt out by the revision that wrote them: what differs in one differs in one. */
const recordParts = 64;
const partOf = { order: recordParts, head: recordParts + 1, tables: recordParts + 2 };
export const digestParts = recordParts + 3;

const recordsPerSliceMax = 4096;
/** Half a millisecond of hashing, about. */
const bytesPerSliceMax = 1024 * 1024;

export class StateDigester {
  readonly index: Index;
  readonly stateHash: bigint;
  readonly #state: StoreState;
  readonly #revision: number;
  readonly #compactRevision: number;
  readonly #tables: FrozenTables;
  readonly #order: KeyOrder;
  readonly #slabs: readonly FrozenSlab[];
  readonly #onReleased: () => void;
  readonly #parts = Array.from({ length: digestParts }, () => new StateHash());
  #isReleased = false;

  /** `onReleased` is told once that nothing in the state is needed any more. */
  constructor(state: StoreState, onReleased: () => void) {
    this.index = index(state.appliedIndex);
    this.stateHash = state.hash.value;
    this.#state = state;
    this.#revision = state.revision;
    this.#compactRevision = state.compactRevision;
    this.#tables = freezeTables(state);
    this.#order = new KeyOrder(state);
    this.#slabs = state.heap.freeze();
    this.#onReleased = onReleased;
    this.#mixBytes(partOf.head, encodeHead(state));
  }

  get isReleased(): boolean {
    return this.#isReleased;
  }

  /** Lets go of the state; a walk that is under way ends with nothing. */
  release(): void {
    if (this.#isReleased) return;
    this.#isReleased = true;
    this.#onReleased();
  }

  /** Once only; undefined if it was released on the way. */
  async digest(yieldNow: YieldNow): Promise<StateDigest | undefined> {
    for (const _ of this.#slices()) {
      await yieldNow();
      if (this.#isReleased) return undefined;
    }
    this.release();
    const whole = new StateHash();
    for (const part of this.#parts) whole.mixId(hashTags.parts, part.value);
    return {
      index: this.index,
      stateHash: this.stateHash,
      contentHash: whole.value,
      parts: this.#parts.map(({ value }) => Number((value ^ (value >> 32n)) & 0xffff_ffffn)),
    };
  }

  /** Between two of them anything may happen to the live state. */
  *#slices(): Generator<void, void, void> {
    for (const section of tableSections(this.#tables)) {
      this.#part(partOf.tables).mixNumber(hashTags.section, section.kind);
      this.#mixBytes(partOf.tables, section.payload);
      yield;
    }
    for (const { slab, used } of this.#slabs) {
      for (let at = 0; at < used; ) {
        at = this.#slice(slab, at, used);
        yield;
      }
    }
    for (const section of this.#order.sections()) {
      if (section) this.#mixBytes(partOf.order, section.payload);
      yield;
    }
  }

  /** Answers where the next slice begins. */
  #slice(slab: RecordSlab, from: number, used: number): number {
    const end = Math.min(used, from + bytesPerSliceMax);
    let at = from;
    for (let seen = 0; seen < recordsPerSliceMax && at < end; seen += 1) {
      const size = slab.sizeAt(at);
      // A length that was spoiled leads nowhere: nothing behind it can be found.
      if (size < recordHeaderBytes || size > used - at) {
        this.#part(0).mixNumber(hashTags.damage, at);
        return used;
      }
      if (isKept(slab, at, this.#compactRevision)) this.#mixRecord(slab, at, size);
      at += size;
    }
    return at;
  }

  #mixRecord(slab: RecordSlab, at: number, size: number): void {
    const part = this.#partOfRevision(slab.doubles[(at >>> 3) + doubleAt.modRevision] as number);
    part.mixWords(slab.words, (at + recordBodyAt) >>> 2, (at + size) >>> 2);
    const slot = slab.words[(at >>> 2) + wordAt.slot] as number;
    part.mixNumber(hashTags.links, slot < this.#state.slots ? this.#order.numberOf(slot) : -1);
    part.mixNumber(hashTags.links, this.#supersededAt(slab, at));
    part.mixNumber(hashTags.links, this.#previousOf(slab, at));
    if (!this.#isLinked(slab, at, slot)) part.mixNumber(hashTags.damage, slot);
  }

  /** Whether all that leads to the record, and on from it, is as it must be at any moment. */
  #isLinked(slab: RecordSlab, at: number, slot: number): boolean {
    const { heap } = this.#state;
    const address = heap.addressOf(slab, at);
    if (heap.isDead(address)) return false;
    const next = heap.next(address);
    if ((next === 0) !== (heap.superseded(address) === 0)) return false;
    if (next === 0) return this.#isReachable(address, slot);
    if (!heap.isPlace(next) || heap.previous(next) !== address) return false;
    return heap.superseded(address) === heap.modRevision(next);
  }

  /** The revision that superseded the record, as far as the frozen state knows; or 0. */
  #supersededAt(slab: RecordSlab, at: number): number {
    const superseded = slab.doubles[(at >>> 3) + doubleAt.superseded] as number;
    return superseded > this.#revision ? 0 : superseded;
  }

  /** The revision of the record that this one superseded, if the frozen state has it; or 0. */
  #previousOf(slab: RecordSlab, at: number): number {
    const { heap } = this.#state;
    const previous = slab.words[(at >>> 2) + wordAt.previous] as number;
    if (previous === 0) return 0;
    if (!heap.isPlace(previous)) return -1;
    const place = heap.placeOf(previous);
    if (!isKept(heap.slabOf(previous), place, this.#compactRevision)) return 0;
    return heap.modRevision(previous);
  }

  /** Whether readers come upon a key's newest record, by its bytes and by its lease. */
  #isReachable(address: number, slot: number): boolean {
    const { heap, leases } = this.#state;
    if (slot >= this.#state.slots || this.#state.newestOf(slot) !== address) return false;
    const found = this.#state.newest(heap.keyspace(address), heap.key(address));
    if (found !== address) return false;
    if (!heap.hasLease(address) || heap.isTombstone(address)) return true;
    const lease = heap.lease(address);
    return !leases.has(lease) || leases.slots(lease).has(slot);
  }

  #part(number: number): StateHash {
    return this.#parts[number] as StateHash;
  }

  #partOfRevision(revision: number): StateHash {
    // What is no number was spoiled, and belongs to any part.
    return this.#parts[revision % recordParts] ?? this.#part(0);
  }

  /** A multiple of eight bytes. */
  #mixBytes(part: number, bytes: Uint8Array): void {
    const words = new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.length >>> 2);
    this.#part(part).mixWords(words, 0, words.length);
  }
}
