// Takes the records of an image in as they lie there: copied run by run into slabs, then linked in
// one pass over them. An image names each key by the order of first appearance, which is the slot
// it gets, so no key is looked up; and it lists the keys in their order, so none is sorted in.
import { HoldfastError } from '@holdfast/base/errors';
import { checkImage, type ImageSection, type LoadOptions, type YieldNow } from './image-format.ts';
import { KeyIndex } from './key-index.ts';
import { KeyTable } from './key-table.ts';
import { TreeLoader } from './key-tree.ts';
import { RecordHeap } from './record-heap.ts';
import {
  doubleAt,
  type RecordSlab,
  recordBytes,
  recordHeaderBytes,
  tombstoneBit,
  wordAt,
} from './record-slab.ts';
import { RevisionIndex } from './revision-index.ts';

/** Keys that get their place in the hash table between two turns of other work. */
const placesPerSlice = 32_768;
/** What is known of a key while it is loaded. */
const marks = { live: 1, ordered: 2 } as const;

/** Records and all that leads to them; the rest of a state stands in the image's tables. */
export type LoadedRecords = {
  readonly heap: RecordHeap;
  readonly table: KeyTable;
  readonly indexes: Map<number, KeyIndex>;
  readonly revisions: RevisionIndex;
  /** Of all records. */
  readonly bytes: number;
  /** Of the last revision's tombstones. */
  readonly tombstoneBytes: number;
  /** Slots of keys of which some record names a lease. */
  readonly leased: ReadonlySet<number>;
};

export class RecordLoader {
  readonly #yieldNow: YieldNow;
  readonly #heap: RecordHeap;
  readonly #table: KeyTable;
  readonly #revisions: RevisionIndex;
  readonly #revision: number;
  readonly #trees = new Map<number, TreeLoader>();
  readonly #leased = new Set<number>();
  /** By slot. */
  #marks = new Uint8Array(1024);
  #ordered = 0;
  #bytes = 0;
  #tombstoneBytes = 0;
  /** How many have been taken in. */
  records = 0;

  constructor(
    head: { readonly revision: number; readonly compactRevision: number },
    options: LoadOptions,
  ) {
    this.#yieldNow = options.yieldNow;
    this.#heap = new RecordHeap(options.slabBytes);
    this.#table = new KeyTable(this.#heap);
    this.#revisions = new RevisionIndex(Math.max(2, head.compactRevision));
    this.#revision = head.revision;
  }

  /** Whether every revision has come, and every key has its place in the order. */
  get isComplete(): boolean {
    const { first, last } = this.#revisions;
    return last === Math.max(this.#revision, first - 1) && this.#ordered === this.#table.slots;
  }

  /** The slab to which a record of that size goes. */
  roomFor(size: number): RecordSlab {
    return this.#heap.slabFor(size);
  }

  /** Takes in whole records, for which the slab has room. Throws `corrupt`. */
  take(slab: RecordSlab, run: Uint8Array): void {
    const from = slab.used;
    this.#heap.appendRun(slab, run);
    for (let at = from; at < slab.used; ) at = this.#link(slab, at);
    this.#bytes += run.length;
  }

  /** Takes in the next keys of a keyspace in their order: u32 keyspace, u32 zero, u32 key each. */
  takeOrder({ items, payload }: ImageSection): void {
    checkImage(payload.length >= 8 + items * 4, 'its order is cut short');
    const view = new DataView(payload.buffer, payload.byteOffset, payload.length);
    const keyspace = view.getUint32(0, true);
    let tree = this.#trees.get(keyspace);
    if (!tree) {
      tree = new TreeLoader();
      this.#trees.set(keyspace, tree);
    }
    for (let at = 8; at < 8 + items * 4; at += 4) {
      const slot = view.getUint32(at, true);
      const known = slot < this.#table.slots ? (this.#marks[slot] as number) : marks.ordered;
      checkImage((known & marks.ordered) === 0, 'a key comes twice, or from nowhere');
      this.#marks[slot] = known | marks.ordered;
      tree.push(slot * 2 + (known & marks.live));
    }
    this.#ordered += items;
  }

  /** Builds what finds the records. Throws `corrupt`. */
  async finish(): Promise<LoadedRecords> {
    const table = this.#table;
    for (let slot = 0; slot < table.slots; slot += placesPerSlice) {
      table.placeLoaded(slot, Math.min(slot + placesPerSlice, table.slots));
      await this.#yieldNow();
    }
    return {
      heap: this.#heap,
      table,
      indexes: this.#indexes(),
      revisions: this.#revisions,
      bytes: this.#bytes,
      tombstoneBytes: this.#tombstoneBytes,
      leased: this.#leased,
    };
  }

  #indexes(): Map<number, KeyIndex> {
    const textOf = (slot: number): string => this.#heap.keyText(this.#table.newest(slot));
    const indexes = new Map<number, KeyIndex>();
    for (const [keyspace, tree] of this.#trees) {
      const root = tree.finish(textOf);
      if (!root) throw new HoldfastError('corrupt', 'the keys of the state image do not ascend');
      indexes.set(keyspace, new KeyIndex(textOf, { root, size: tree.size }));
    }
    return indexes;
  }

  /** Puts the record at `at` into its chain and the sums; answers where the next one begins. */
  #link(slab: RecordSlab, at: number): number {
    const { words } = slab;
    const word = at >>> 2;
    const keyWord = words[word + wordAt.keyLength] as number;
    const keyLength = (keyWord & ~tombstoneBit) >>> 0;
    const size = recordBytes(keyLength, words[word + wordAt.valueLength] as number);
    const address = this.#heap.addressOf(slab, at);
    const modRevision = slab.doubles[(at >>> 3) + doubleAt.modRevision] as number;
    this.#enterRevision(modRevision, address);
    const slot = words[word + wordAt.slot] as number;
    if (slot === this.#table.slots) this.#addKey(slab, at);
    else this.#supersede(slot, address, modRevision);
    this.#table.setNewest(slot, address);
    this.records += 1;
    if (this.#heap.hasLease(address)) this.#leased.add(slot);
    const isTombstone = keyWord !== keyLength;
    this.#marks[slot] = isTombstone ? 0 : marks.live;
    if (isTombstone) {
      slab.garbage += size;
      if (modRevision >= this.#revisions.first) this.#tombstoneBytes += size;
    }
    return at + size;
  }

  #enterRevision(modRevision: number, address: number): void {
    const { first, last } = this.#revisions;
    if (modRevision === last) return;
    // What is older than the compact revision comes first, in any order of revisions.
    if (modRevision < first && last < first) return;
    checkImage(
      modRevision === last + 1 && modRevision <= this.#revision,
      'revisions are out of order',
    );
    this.#revisions.push(modRevision, address);
    this.#revisions.addFreed(this.#tombstoneBytes);
    this.#tombstoneBytes = 0;
  }

  #addKey(slab: RecordSlab, at: number): void {
    const word = at >>> 2;
    const keyspace = slab.words[word + wordAt.keyspace] as number;
    checkImage(keyspace !== 0, 'a record has no keyspace');
    const keyLength = (slab.words[word + wordAt.keyLength] as number) & ~tombstoneBit;
    const lo = at + recordHeaderBytes;
    const slot = this.#table.load(keyspace, slab.bytes, { lo, hi: lo + keyLength });
    if (slot < this.#marks.length) return;
    const grown = new Uint8Array(this.#marks.length * 2);
    grown.set(this.#marks);
    this.#marks = grown;
  }

  /** The record at `address` is a newer one of a key that has come before. */
  #supersede(slot: number, address: number, modRevision: number): void {
    const heap = this.#heap;
    checkImage(slot < this.#table.slots, 'a record is of a key from nowhere');
    const old = this.#table.newest(slot);
    checkImage(heap.isSameKey(old, address), 'a record is of another key than the one before it');
    heap.setPrevious(address, old);
    heap.setNext(old, address);
    heap.setSuperseded(old, modRevision);
    if (heap.isTombstone(old)) return; // Counted when it was loaded.
    const size = heap.sizeOf(old);
    heap.slabOf(old).garbage += size;
    this.#revisions.addFreed(size);
  }
}
