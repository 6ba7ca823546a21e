// All records of the store, in revision order, in a chain of slabs. A record is named by its
// address: the slab's id and the place in it, in units of eight bytes, so that 32 bits reach 32 GB;
// zero names none. It owns the bytes and their order; what a record means is known to
// store-state.ts.
import { assert, must } from '@holdfast/base/assert';
import {
  doubleAt,
  type FrozenSlab,
  RecordSlab,
  recordBodyAt,
  recordBytes,
  recordHeaderBytes,
  tombstoneBit,
  wordAt,
} from './record-slab.ts';

export const defaultSlabBytes = 1 << 20;
const placeBits = 17;
const placeMask = (1 << placeBits) - 1;
const slabsMax = 1 << (32 - placeBits);

/** What a new record says. `key` and `value` are copied. */
export type NewRecord = {
  readonly keyspace: number;
  readonly key: Uint8Array;
  /** Undefined: a tombstone. */
  readonly value: Uint8Array | undefined;
  readonly lease: bigint;
  readonly modRevision: number;
  readonly createRevision: number;
  readonly version: number;
};

export class RecordHeap {
  /** Size of a slab; a larger record gets one of its own. */
  readonly slabBytes: number;
  /** By id; id 0 is never given, so that no record has address 0. */
  readonly #slabs: (RecordSlab | undefined)[] = [undefined];
  readonly #freeIds: number[] = [];
  #first: RecordSlab | undefined;
  #last: RecordSlab | undefined;
  #residentBytes = 0;

  constructor(slabBytes = defaultSlabBytes) {
    assert(slabBytes <= defaultSlabBytes, 'places in a slab fit in an address');
    this.slabBytes = slabBytes;
  }

  get first(): RecordSlab | undefined {
    return this.#first;
  }

  get last(): RecordSlab | undefined {
    return this.#last;
  }

  /** Memory of all slabs, used or not. */
  get residentBytes(): number {
    return this.#residentBytes;
  }

  /** Appends a record behind all others. */
  append(record: NewRecord): number {
    const valueLength = record.value?.length ?? 0;
    const slab = this.#room(recordBytes(record.key.length, valueLength));
    const at = slab.used;
    const word = at >>> 2;
    const double = at >>> 3;
    const mark = record.value === undefined ? tombstoneBit : 0;
    slab.words[word + wordAt.keyLength] = record.key.length | mark;
    slab.words[word + wordAt.valueLength] = valueLength;
    slab.words[word + wordAt.keyspace] = record.keyspace;
    slab.doubles[double + doubleAt.modRevision] = record.modRevision;
    slab.doubles[double + doubleAt.createRevision] = record.createRevision;
    slab.doubles[double + doubleAt.version] = record.version;
    if (record.lease !== 0n) slab.leases[double + doubleAt.lease] = record.lease;
    slab.bytes.set(record.key, at + recordHeaderBytes);
    if (valueLength > 0) {
      slab.bytes.set(record.value as Uint8Array, at + recordHeaderBytes + record.key.length);
    }
    return this.#close(slab, recordBytes(record.key.length, valueLength));
  }

  /** Appends the body of a record as an image carries it. */
  appendBody(body: Uint8Array): number {
    const size = recordBodyAt + body.length;
    const slab = this.#room(size);
    slab.bytes.set(body, slab.used + recordBodyAt);
    return this.#close(slab, size);
  }

  /** The slab that the next record of `size` bytes goes to. */
  slabFor(size: number): RecordSlab {
    return this.#room(size);
  }

  /** Appends whole records, links and all; the slab is the last one and has room for them. */
  appendRun(slab: RecordSlab, run: Uint8Array): void {
    assert(slab === this.#last && slab.free >= run.length, 'records are loaded at the end');
    slab.bytes.set(run, slab.used);
    slab.used += run.length;
  }

  /** Copies a record, links and all, to the end of `target`, which has room for it. */
  copyInto(target: RecordSlab, address: number): number {
    const slab = this.slabOf(address);
    const at = this.placeOf(address);
    const size = slab.sizeAt(at);
    assert(target.free >= size, 'a record is moved to where it has room');
    slab.bytes.copy(target.bytes, target.used, at, at + size);
    return this.#close(target, size);
  }

  /** A new slab that stands before `after` in revision order. */
  insertSlab(capacity: number, after: RecordSlab): RecordSlab {
    const slab = this.#newSlab(capacity);
    slab.before = after.before;
    slab.after = after;
    if (after.before) after.before.after = slab;
    else this.#first = slab;
    after.before = slab;
    return slab;
  }

  /** Gives a slab's memory back; nothing points into it any more. */
  removeSlab(slab: RecordSlab): void {
    assert(slab !== this.#last, 'the slab that is being written stays');
    if (slab.before) slab.before.after = slab.after;
    else this.#first = slab.after;
    if (slab.after) slab.after.before = slab.before;
    this.#slabs[slab.id] = undefined;
    this.#freeIds.push(slab.id);
    this.#residentBytes -= slab.capacity;
  }

  slabOf(address: number): RecordSlab {
    return this.#slabs[address >>> placeBits] as RecordSlab;
  }

  /** Where the record stands in its slab, in bytes. */
  placeOf(address: number): number {
    return (address & placeMask) << 3;
  }

  addressOf(slab: RecordSlab, at: number): number {
    return slab.id * (placeMask + 1) + (at >>> 3);
  }

  /** The record behind this one in revision order, or 0. */
  following(address: number): number {
    const slab = this.slabOf(address);
    const end = this.placeOf(address) + this.sizeOf(address);
    if (end < slab.used) return this.addressOf(slab, end);
    let after = slab.after;
    while (after && after.used === 0) after = after.after;
    return after ? this.addressOf(after, 0) : 0;
  }

  sizeOf(address: number): number {
    return this.slabOf(address).sizeAt(this.placeOf(address));
  }

  isTombstone(address: number): boolean {
    return (this.#word(address, wordAt.keyLength) & tombstoneBit) !== 0;
  }

  keyspace(address: number): number {
    return this.#word(address, wordAt.keyspace);
  }

  slot(address: number): number {
    return this.#word(address, wordAt.slot);
  }

  /** The record that this one superseded, or 0. */
  previous(address: number): number {
    return this.#word(address, wordAt.previous);
  }

  /** The record that superseded this one, or 0. */
  next(address: number): number {
    return this.#word(address, wordAt.next);
  }

  isDead(address: number): boolean {
    return this.#word(address, wordAt.marks) !== 0;
  }

  setSlot(address: number, slot: number): void {
    this.#setWord(address, wordAt.slot, slot);
  }

  setPrevious(address: number, previous: number): void {
    this.#setWord(address, wordAt.previous, previous);
  }

  setNext(address: number, next: number): void {
    this.#setWord(address, wordAt.next, next);
  }

  markDead(address: number): void {
    this.#setWord(address, wordAt.marks, 1);
  }

  modRevision(address: number): number {
    return this.#double(address, doubleAt.modRevision);
  }

  createRevision(address: number): number {
    return this.#double(address, doubleAt.createRevision);
  }

  version(address: number): number {
    return this.#double(address, doubleAt.version);
  }

  /** The revision at which this record stopped being its key's newest, or 0. */
  superseded(address: number): number {
    return this.#double(address, doubleAt.superseded);
  }

  setSuperseded(address: number, revision: number): void {
    const slab = this.slabOf(address);
    slab.doubles[(address & placeMask) + doubleAt.superseded] = revision;
  }

  /** Whether the record names a lease; asked of every record, so it makes no bigint. */
  hasLease(address: number): boolean {
    return (
      this.#word(address, wordAt.leaseLow) !== 0 || this.#word(address, wordAt.leaseHigh) !== 0
    );
  }

  lease(address: number): bigint {
    return this.slabOf(address).leases[(address & placeMask) + doubleAt.lease] as bigint;
  }

  /** A view that stays true, and keeps its slab in memory while it is held. */
  key(address: number): Uint8Array {
    const slab = this.slabOf(address);
    const at = this.placeOf(address) + recordHeaderBytes;
    return new Uint8Array(slab.bytes.buffer, at, this.#keyLength(address));
  }

  /** As `key`. */
  value(address: number): Uint8Array {
    const slab = this.slabOf(address);
    const at = this.placeOf(address) + recordHeaderBytes + this.#keyLength(address);
    return new Uint8Array(slab.bytes.buffer, at, this.#word(address, wordAt.valueLength));
  }

  keyText(address: number): string {
    const slab = this.slabOf(address);
    const at = this.placeOf(address) + recordHeaderBytes;
    return slab.bytes.toString('latin1', at, at + this.#keyLength(address));
  }

  /** Whether the record is of that key. */
  hasKey(address: number, keyspace: number, key: Uint8Array): boolean {
    const slab = this.slabOf(address);
    if (this.#keyLength(address) !== key.length || this.keyspace(address) !== keyspace)
      return false;
    const at = this.placeOf(address) + recordHeaderBytes;
    for (let n = 0; n < key.length; n += 1) if (slab.bytes[at + n] !== key[n]) return false;
    return true;
  }

  /** Whether a record may begin there: of an address that memory may have spoiled. */
  isPlace(address: number): boolean {
    const slab = this.#slabs[address >>> placeBits];
    return slab !== undefined && this.placeOf(address) + recordHeaderBytes <= slab.used;
  }

  /** How far each slab is written now, in revision order. */
  freeze(): readonly FrozenSlab[] {
    const slabs: FrozenSlab[] = [];
    for (let slab = this.#first; slab; slab = slab.after) slabs.push({ slab, used: slab.used });
    return slabs;
  }

  /** Whether both records are of one key. */
  isSameKey(address: number, other: number): boolean {
    return this.hasKey(address, this.keyspace(other), this.key(other));
  }

  /** Negative, zero or positive: the record's key against a key text. */
  compareKey(address: number, text: string): number {
    const bytes = this.slabOf(address).bytes;
    const at = this.placeOf(address) + recordHeaderBytes;
    const length = this.#keyLength(address);
    const shared = Math.min(length, text.length);
    for (let n = 0; n < shared; n += 1) {
      const difference = (bytes[at + n] as number) - text.charCodeAt(n);
      if (difference !== 0) return difference;
    }
    return length - text.length;
  }

  /** A slab of at least `size` free bytes at the end of the chain. */
  #room(size: number): RecordSlab {
    const last = this.#last;
    if (last && last.free >= size) return last;
    const slab = this.#newSlab(Math.max(size, this.slabBytes));
    slab.before = last;
    if (last) last.after = slab;
    else this.#first = slab;
    this.#last = slab;
    return slab;
  }

  #newSlab(capacity: number): RecordSlab {
    const id = this.#freeIds.pop() ?? this.#slabs.length;
    assert(id < slabsMax, 'records fit in 32768 slabs');
    const slab = new RecordSlab(id, capacity);
    this.#slabs[id] = slab;
    this.#residentBytes += capacity;
    return slab;
  }

  #close(slab: RecordSlab, size: number): number {
    const address = this.addressOf(slab, slab.used);
    slab.used += size;
    return address;
  }

  #keyLength(address: number): number {
    return this.#word(address, wordAt.keyLength) & ~tombstoneBit;
  }

  #word(address: number, at: number): number {
    return this.slabOf(address).words[(address & placeMask) * 2 + at] as number;
  }

  #setWord(address: number, at: number, value: number): void {
    this.slabOf(address).words[(address & placeMask) * 2 + at] = value;
  }

  #double(address: number, at: number): number {
    return this.slabOf(address).doubles[(address & placeMask) + at] as number;
  }

  /** Whole-heap check for tests: revisions ascend along the chain, slabs are linked both ways. */
  validate(): void {
    let revision = 0;
    for (let slab = this.#first; slab; slab = slab.after) {
      assert(
        must(this.#slabs[slab.id], 'a slab in the chain has its id') === slab,
        'ids are unique',
      );
      assert(slab.after ? slab.after.before === slab : slab === this.#last, 'slabs are linked');
      for (let at = 0; at < slab.used; at += slab.sizeAt(at)) {
        const modRevision = this.modRevision(this.addressOf(slab, at));
        assert(modRevision >= revision, 'records stand in revision order');
        revision = modRevision;
      }
    }
  }
}
