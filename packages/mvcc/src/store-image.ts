// The snapshot image: a frozen state as bytes. Taking one copies nothing but the list of slabs,
// because a record never changes once it is written; the bytes are encoded in slices while writes
// go on. Equal states give equal bytes. image-loader.ts is the way back.
import { crc32 } from '@holdfast/base/crc32';
import { type Index, index } from '@holdfast/base/ids';
import { BindMemberRequest } from '@holdfast/proto/internal';
import {
  imageEndMark,
  imageFooterBytes,
  imageFormat,
  imageHeaderBytes,
  imageHeaderSummedBytes,
  imageMagic,
  type YieldNow,
} from './image-format.ts';
import type { MemberTable } from './member-table.ts';
import { doubleAt, type RecordSlab, recordBodyAt, tombstoneBit, wordAt } from './record-slab.ts';
import type { StoreState } from './store-state.ts';

const chunkBytes = 256 * 1024;
/** A chunk ends with the record that fills it; only a large one makes it grow. */
const spareBytes = 16 * 1024;
const recordsPerSliceMax = 4096;

/** How far a slab was written when the image was taken. */
type FrozenSlab = { readonly slab: RecordSlab; readonly used: number };

export class StoreImage {
  readonly appliedIndex: Index;
  readonly stateHash: bigint;
  readonly #compactRevision: number;
  readonly #head: Uint8Array;
  readonly #yieldNow: YieldNow;
  #slabs: readonly FrozenSlab[];

  constructor(state: StoreState, yieldNow: YieldNow) {
    this.appliedIndex = index(state.appliedIndex);
    this.stateHash = state.hash.value;
    this.#compactRevision = state.compactRevision;
    this.#head = encodeHead(state);
    this.#yieldNow = yieldNow;
    const slabs: FrozenSlab[] = [];
    for (let slab = state.heap.first; slab; slab = slab.after) {
      slabs.push({ slab, used: slab.used });
    }
    this.#slabs = slabs;
  }

  /** Lets go of the slabs; chunks() that run go on to their end. */
  release(): void {
    this.#slabs = [];
  }

  /** The image in order, in pieces of about a quarter of a megabyte. */
  async *chunks(): AsyncGenerator<Uint8Array, void, void> {
    const out = new ChunkWriter();
    let records = 0;
    out.write(this.#head);
    for (const { slab, used } of this.#slabs) {
      for (let at = 0; at < used; ) {
        const slice = this.#slice({ slab, used }, at, out);
        at = slice.end;
        records += slice.records;
        if (out.bytes >= chunkBytes) yield out.take();
        await this.#yieldNow();
      }
    }
    out.write(encodeFooter(records, out.total));
    yield out.takeSealed();
  }

  /** Writes records from `from` on until a chunk is full or enough have been looked at. */
  #slice(
    frozen: FrozenSlab,
    from: number,
    out: ChunkWriter,
  ): { readonly end: number; readonly records: number } {
    const { slab, used } = frozen;
    let at = from;
    let records = 0;
    for (let seen = 0; seen < recordsPerSliceMax && at < used; seen += 1) {
      const size = slab.sizeAt(at);
      if (this.#keeps(slab, at)) {
        out.writeRange(slab.bytes, at + recordBodyAt, at + size);
        records += 1;
      }
      at += size;
      if (out.bytes >= chunkBytes) break;
    }
    return { end: at, records };
  }

  /**
   * Whether the frozen state still has the record: StoreState.isCompacted as it was then. What was
   * superseded since then was superseded above the frozen revision, and so not yet for the image.
   */
  #keeps(slab: RecordSlab, at: number): boolean {
    const double = at >>> 3;
    const modRevision = slab.doubles[double + doubleAt.modRevision] as number;
    if (modRevision >= this.#compactRevision) return true;
    if (((slab.words[(at >>> 2) + wordAt.keyLength] as number) & tombstoneBit) !== 0) return false;
    const superseded = slab.doubles[double + doubleAt.superseded] as number;
    return superseded === 0 || superseded > this.#compactRevision;
  }
}

/** Collects pieces into chunks, and the checksum of all that went through. */
class ChunkWriter {
  #chunk = newChunk(chunkBytes + spareBytes);
  #used = 0;
  #checksum = 0;
  /** Bytes of all chunks, the open one included. */
  total = 0;

  get bytes(): number {
    return this.#used;
  }

  write(piece: Uint8Array): void {
    this.#reserve(piece.length);
    this.#chunk.set(piece, this.#used);
    this.#wrote(piece.length);
  }

  /** Bytes [lo, hi) of `source`, without a view of them. */
  writeRange(source: Buffer, lo: number, hi: number): void {
    this.#reserve(hi - lo);
    source.copy(this.#chunk, this.#used, lo, hi);
    this.#wrote(hi - lo);
  }

  take(): Uint8Array {
    const taken = this.#chunk.subarray(0, this.#used);
    this.#checksum = crc32(taken, this.#checksum);
    this.#chunk = newChunk(chunkBytes + spareBytes);
    this.#used = 0;
    return taken;
  }

  /** The last chunk, its final eight bytes set to the checksum of everything before them. */
  takeSealed(): Uint8Array {
    const taken = this.#chunk.subarray(0, this.#used);
    const sealAt = this.#used - 8;
    const checksum = crc32(taken.subarray(0, sealAt), this.#checksum);
    new DataView(taken.buffer).setUint32(sealAt, checksum, true);
    return taken;
  }

  #reserve(length: number): void {
    if (this.#used + length <= this.#chunk.length) return;
    const grown = newChunk(this.#used + length);
    grown.set(this.#chunk.subarray(0, this.#used));
    this.#chunk = grown;
  }

  #wrote(length: number): void {
    this.#used += length;
    this.total += length;
  }
}

/**
 * Memory of its own: chunks are handed over, and a shared pool would pin what others left in it.
 */
const newChunk = (length: number): Buffer<ArrayBuffer> => Buffer.from(new ArrayBuffer(length));

function encodeHead(state: StoreState): Uint8Array {
  const members = encodeMembers(state.members);
  const times = state.times.entries;
  const bytes = new Uint8Array(imageHeaderBytes + members.length + times.length * 16);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, imageMagic, true);
  view.setUint32(4, imageFormat, true);
  view.setFloat64(8, state.appliedIndex, true);
  view.setFloat64(16, state.revision, true);
  view.setFloat64(24, state.compactRevision, true);
  view.setFloat64(32, state.lastProposedAtMs, true);
  view.setBigUint64(40, state.hash.value, true);
  view.setFloat64(48, state.times.intervalMs, true);
  view.setUint32(56, state.members.clusterVersion, true);
  view.setUint32(60, state.members.members.length, true);
  view.setUint32(64, members.length, true);
  view.setUint32(68, times.length, true);
  view.setUint32(imageHeaderSummedBytes, crc32(bytes.subarray(0, imageHeaderSummedBytes)), true);
  bytes.set(members, imageHeaderBytes);
  times.forEach((entry, n) => {
    view.setFloat64(imageHeaderBytes + members.length + n * 16, entry.revision, true);
    view.setFloat64(imageHeaderBytes + members.length + n * 16 + 8, entry.timeMs, true);
  });
  return bytes;
}

/** Each member as a length and an encoded BindMemberRequest; zeros up to a multiple of 8. */
function encodeMembers(table: MemberTable): Uint8Array {
  const encoded = table.members.map((member) => BindMemberRequest.encode(member).finish());
  const length = encoded.reduce((sum, bytes) => sum + 4 + bytes.length, 0);
  const bytes = new Uint8Array((length + 7) & ~7);
  const view = new DataView(bytes.buffer);
  let at = 0;
  for (const member of encoded) {
    view.setUint32(at, member.length, true);
    bytes.set(member, at + 4);
    at += 4 + member.length;
  }
  return bytes;
}

function encodeFooter(records: number, bytesBefore: number): Uint8Array {
  const bytes = new Uint8Array(imageFooterBytes);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, imageEndMark, true);
  view.setFloat64(8, records, true);
  view.setFloat64(16, bytesBefore, true);
  return bytes;
}
