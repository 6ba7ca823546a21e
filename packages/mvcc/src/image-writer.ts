// Puts the bytes of an image together: sections one behind the other in chunks, and the checksum of
// all that went through.
import { crc32 } from '@holdfast/base/crc32';
import {
  type ImageSection,
  imageEndBytes,
  sectionBytesMax,
  sectionHeaderBytes,
  sectionKinds,
} from './image-format.ts';
import type { RecordSlab } from './record-slab.ts';

/** Room for a section of the usual size and what stands in front of it. */
const chunkBytesMax = sectionBytesMax + 4096;
/** Of a first chunk: most stores that are only tried out fit in there. */
const chunkBytesMin = 8192;

export class ImageWriter {
  /**
   * Memory of its own: chunks are handed over, and a shared pool would pin what others left in it.
   */
  #chunk = new Uint8Array(0);
  #view = new DataView(this.#chunk.buffer);
  #used = 0;
  #sectionAt = 0;
  #checksum = 0;
  /** Bytes of all chunks, the open one included. */
  total = 0;

  /** Payload bytes of the section that is being written. */
  get sectionBytes(): number {
    return this.#used - this.#sectionAt - sectionHeaderBytes;
  }

  write(piece: Uint8Array): void {
    this.#reserve(piece.length);
    this.#chunk.set(piece, this.#used);
    this.#wrote(piece.length);
  }

  writeSection({ kind, items, payload }: ImageSection): void {
    this.beginSection();
    this.write(payload);
    this.endSection(kind, items);
  }

  beginSection(): void {
    this.#reserve(sectionHeaderBytes);
    this.#sectionAt = this.#used;
    this.#wrote(sectionHeaderBytes);
  }

  /** Bytes [lo, hi) of a slab; answers the memory that they went to, and where they begin in it. */
  writeRun(slab: RecordSlab, lo: number, hi: number): { readonly view: DataView; at: number } {
    this.#reserve(hi - lo);
    this.#chunk.set(slab.bytes.subarray(lo, hi), this.#used);
    const at = this.#used;
    this.#wrote(hi - lo);
    return { view: this.#view, at };
  }

  endSection(kind: number, items: number): void {
    const payloadBytes = this.sectionBytes;
    this.#view.setUint32(this.#sectionAt, kind, true);
    this.#view.setUint32(this.#sectionAt + 4, items, true);
    this.#view.setUint32(this.#sectionAt + 8, payloadBytes, true);
  }

  /** What was written since the last take. */
  take(): Uint8Array {
    const taken = this.#chunk.subarray(0, this.#used);
    this.#checksum = crc32(taken, this.#checksum);
    this.#chunk = new Uint8Array(0);
    this.#used = 0;
    return taken;
  }

  /** The last chunk: totals, and the checksum of everything before it. */
  takeSealed(records: number): Uint8Array {
    const bytesBefore = this.total;
    this.beginSection();
    this.#reserve(imageEndBytes);
    const at = this.#used;
    this.#wrote(imageEndBytes);
    this.endSection(sectionKinds.end, 0);
    this.#view.setFloat64(at, records, true);
    this.#view.setFloat64(at + 8, bytesBefore, true);
    const taken = this.#chunk.subarray(0, this.#used);
    const checksum = crc32(taken.subarray(0, at + 16), this.#checksum);
    this.#view.setUint32(at + 16, checksum, true);
    return taken;
  }

  #reserve(length: number): void {
    if (this.#used + length <= this.#chunk.length) return;
    const isFirst = this.total === this.#used && this.#used + length <= chunkBytesMin;
    const usual = isFirst ? chunkBytesMin : chunkBytesMax;
    const grown = new Uint8Array(Math.max(usual, this.#used + length));
    grown.set(this.#chunk.subarray(0, this.#used));
    this.#chunk = grown;
    this.#view = new DataView(grown.buffer);
  }

  #wrote(length: number): void {
    this.#used += length;
    this.total += length;
  }
}
