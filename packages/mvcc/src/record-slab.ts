// One block of memory outside the JavaScript heap that holds records one behind the other, and the
// layout of a record. A slab is only ever appended to; its memory is never used a second time, so a
// view of a key or a value stays true for as long as somebody holds it.
//
//   links, of this process alone          the record, which hash and image cover
//    0 u32 slot   4 u32 previous           24 u32 key length, bit 31 = tombstone
//    8 u32 next  12 u32 marks              28 u32 value length
//   16 f64 superseded at revision          32 u32 keyspace   36 u32 reserved, zero
//                                          40 f64 mod revision   48 f64 create revision
//                                          56 f64 version        64 i64 lease
//                                          72 key, value, zeros up to a multiple of 8
//
// Numbers are little-endian, which is also the order of every processor that Node runs on.

export const recordHeaderBytes = 72;
/** Where the record proper begins, behind the links. */
export const recordBodyAt = 24;
export const tombstoneBit = 0x80000000;

/** Places in units of four bytes. */
export const wordAt = {
  slot: 0,
  previous: 1,
  next: 2,
  marks: 3,
  keyLength: 6,
  valueLength: 7,
  keyspace: 8,
  leaseLow: 16,
  leaseHigh: 17,
} as const;

/** Places in units of eight bytes. */
export const doubleAt = {
  superseded: 2,
  modRevision: 5,
  createRevision: 6,
  version: 7,
  lease: 8,
} as const;

/** Bytes that a record of this size takes, links and padding included: what the quota counts. */
export const recordBytes = (keyLength: number, valueLength: number): number =>
  (recordHeaderBytes + keyLength + valueLength + 7) & ~7;

export class RecordSlab {
  readonly id: number;
  readonly capacity: number;
  readonly bytes: Buffer;
  readonly words: Uint32Array;
  readonly doubles: Float64Array;
  readonly leases: BigInt64Array;
  /** End of the last record, in bytes. */
  used = 0;
  /** Bytes of records that compaction may take one day: superseded ones and tombstones. */
  garbage = 0;
  /** Bytes of records that compaction has taken out of their chains. */
  dead = 0;
  /** The neighbours in revision order. */
  before: RecordSlab | undefined = undefined;
  after: RecordSlab | undefined = undefined;

  constructor(id: number, capacity: number) {
    const memory = new ArrayBuffer(capacity);
    this.id = id;
    this.capacity = capacity;
    this.bytes = Buffer.from(memory);
    this.words = new Uint32Array(memory);
    this.doubles = new Float64Array(memory);
    this.leases = new BigInt64Array(memory);
  }

  get free(): number {
    return this.capacity - this.used;
  }

  /** Bytes of the record at `at` (a multiple of 8). */
  sizeAt(at: number): number {
    const word = at >>> 2;
    const keyLength = (this.words[word + wordAt.keyLength] as number) & ~tombstoneBit;
    return recordBytes(keyLength, this.words[word + wordAt.valueLength] as number);
  }
}

/**
 * Whether the state that was frozen at that compact revision still has the record:
 * StoreState.isCompacted as it was then. What was superseded since was superseded above the frozen
 * revision, and so not yet for whoever looks at it.
 */
export function isKept(slab: RecordSlab, at: number, compactRevision: number): boolean {
  const double = at >>> 3;
  const modRevision = slab.doubles[double + doubleAt.modRevision] as number;
  if (modRevision >= compactRevision) return true;
  if (((slab.words[(at >>> 2) + wordAt.keyLength] as number) & tombstoneBit) !== 0) return false;
  const superseded = slab.doubles[double + doubleAt.superseded] as number;
  return superseded === 0 || superseded > compactRevision;
}

/** How far a slab was written at one moment. */
export type FrozenSlab = { readonly slab: RecordSlab; readonly used: number };
