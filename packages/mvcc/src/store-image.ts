// The snapshot image: a frozen state as bytes. Taking one copies nothing but the list of slabs and
// the small tables, because a record never changes once it is written; the bytes are encoded in
// slices while writes go on. Equal states give equal bytes. image-loader.ts is the way back.
import { assert } from '@holdfast/base/assert';
import { crc32 } from '@holdfast/base/crc32';
import { type Index, index } from '@holdfast/base/ids';
import {
  imageFormat,
  imageHeaderBytes,
  imageHeaderSummedBytes,
  imageMagic,
  sectionBytesMax,
  sectionKinds,
  type YieldNow,
} from './image-format.ts';
import { type FrozenTables, freezeTables, tableSections } from './image-tables.ts';
import { ImageWriter } from './image-writer.ts';
import { KeyOrder } from './key-order.ts';
import { type FrozenSlab, isKept, type RecordSlab, recordBodyAt } from './record-slab.ts';
import type { StoreState } from './store-state.ts';

const recordsPerSliceMax = 4096;

export class StoreImage {
  readonly appliedIndex: Index;
  readonly stateHash: bigint;
  readonly #compactRevision: number;
  readonly #head: Uint8Array;
  readonly #tables: FrozenTables;
  readonly #yieldNow: YieldNow;
  readonly #onReleased: () => void;
  readonly #order: KeyOrder;
  #slabs: readonly FrozenSlab[];
  #records = 0;
  #isReleased = false;

  /** `onReleased` is told once that nothing in the state is needed any more. */
  constructor(state: StoreState, yieldNow: YieldNow, onReleased: () => void) {
    this.appliedIndex = index(state.appliedIndex);
    this.stateHash = state.hash.value;
    this.#compactRevision = state.compactRevision;
    this.#head = encodeHead(state);
    this.#tables = freezeTables(state);
    this.#yieldNow = yieldNow;
    this.#onReleased = onReleased;
    this.#order = new KeyOrder(state);
    this.#slabs = state.heap.freeze();
  }

  /** Lets go of the state, which may reclaim again: nothing more can be encoded. */
  release(): void {
    this.#slabs = [];
    if (this.#isReleased) return;
    this.#isReleased = true;
    this.#onReleased();
  }

  /** The image in order, in pieces of about a quarter of a megabyte; once only. */
  async *chunks(): AsyncGenerator<Uint8Array, void, void> {
    const out = new ImageWriter();
    out.write(this.#head);
    for (const section of tableSections(this.#tables)) {
      out.writeSection(section);
      if (out.sectionBytes >= sectionBytesMax / 2) yield out.take();
      await this.#yieldNow();
    }
    yield out.take();
    yield* this.#recordSections(out);
    for (const section of this.#order.sections()) {
      assert(!this.#isReleased, 'an image is released after it was encoded');
      if (section) {
        out.writeSection(section);
        yield out.take();
      }
      await this.#yieldNow();
    }
    yield out.takeSealed(this.#records);
    this.release();
  }

  async *#recordSections(out: ImageWriter): AsyncGenerator<Uint8Array, void, void> {
    out.beginSection();
    let items = 0;
    for (const frozen of this.#slabs) {
      for (let at = 0; at < frozen.used; ) {
        assert(!this.#isReleased, 'an image is released after it was encoded');
        const slice = this.#slice(frozen, at, out);
        at = slice.end;
        items += slice.records;
        if (slice.isFull) {
          out.endSection(sectionKinds.records, items);
          this.#records += items;
          items = 0;
          yield out.take();
          out.beginSection();
        }
        await this.#yieldNow();
      }
    }
    out.endSection(sectionKinds.records, items);
    this.#records += items;
    yield out.take();
  }

  /** Writes records from `from` on until a section is full or enough have been looked at. */
  #slice({ slab, used }: FrozenSlab, from: number, out: ImageWriter): Slice {
    let at = from;
    let records = 0;
    for (let seen = 0; seen < recordsPerSliceMax && at < used; seen += 1) {
      if (!isKept(slab, at, this.#compactRevision)) {
        at += slab.sizeAt(at);
        continue;
      }
      const room = sectionBytesMax - out.sectionBytes;
      const end = this.#runEnd({ slab, used }, at, out.sectionBytes === 0 ? slab.used : room);
      if (end === at) return { end: at, records, isFull: true };
      const copied = this.#copy(out, { slab, from: at, end });
      records += copied;
      seen += copied;
      at = end;
    }
    return { end: at, records, isFull: false };
  }

  /** The end of the records from `from` on that are all kept and fit in `room` bytes. */
  #runEnd({ slab, used }: FrozenSlab, from: number, room: number): number {
    let end = from;
    while (end < used && isKept(slab, end, this.#compactRevision)) {
      const next = end + slab.sizeAt(end);
      // A record that is larger than a section has one of its own.
      const isAlone = end === from && room >= slab.used;
      if (next - from > Math.min(room, sectionBytesMax) && !isAlone) break;
      end = next;
    }
    return end;
  }

  /** Copies a run of records, their links replaced by their key's number; answers how many. */
  #copy(
    out: ImageWriter,
    { slab, from, end }: { readonly slab: RecordSlab; readonly from: number; readonly end: number },
  ): number {
    const { words } = slab;
    const { view, at } = out.writeRun(slab, from, end);
    let records = 0;
    for (let source = from; source < end; source += slab.sizeAt(source)) {
      const target = at + source - from;
      view.setUint32(target, this.#order.numberOf(words[source >>> 2] as number), true);
      for (let link = 4; link < recordBodyAt; link += 4) view.setUint32(target + link, 0, true);
      records += 1;
    }
    return records;
  }
}

type Slice = { readonly end: number; readonly records: number; readonly isFull: boolean };

export function encodeHead(state: StoreState): Uint8Array {
  const bytes = new Uint8Array(imageHeaderBytes);
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
  view.setUint32(imageHeaderSummedBytes, crc32(bytes.subarray(0, imageHeaderSummedBytes)), true);
  return bytes;
}
