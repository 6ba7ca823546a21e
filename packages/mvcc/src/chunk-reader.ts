// Reads the bytes of an image however they are cut into chunks: copies only what spans two of them,
// sums everything up, and yields to other work at every chunk. Of a chunk that it has read to its
// end it wants nothing any more when it asks for the next, so its memory may be used again.
import { crc32 } from '@holdfast/base/crc32';
import { checkImage, type YieldNow } from './image-format.ts';

const noBytes = new Uint8Array(0);

export class ChunkReader {
  readonly #chunks: AsyncIterator<Uint8Array>;
  readonly #yieldNow: YieldNow;
  /** What can be read without waiting; `#rest` follows it without a gap. */
  #bytes: Uint8Array = noBytes;
  #rest: Uint8Array = noBytes;
  #view: DataView = new DataView(noBytes.buffer);
  #at = 0;
  /** Up to where #checksum has come. */
  #summedAt = 0;
  #checksum = 0;
  consumed = 0;

  constructor(chunks: AsyncIterable<Uint8Array>, yieldNow: YieldNow) {
    this.#chunks = chunks[Symbol.asyncIterator]();
    this.#yieldNow = yieldNow;
  }

  get available(): number {
    return this.#bytes.length - this.#at;
  }

  /** The number at `offset` from here; its bytes are there. */
  uint32(offset: number): number {
    return this.#view.getUint32(this.#at + offset, true);
  }

  /** A view of the next `length` bytes, which are there; true until more are needed. */
  take(length: number): Uint8Array {
    const taken = this.#bytes.subarray(this.#at, this.#at + length);
    this.#at += length;
    this.consumed += length;
    return taken;
  }

  /** Waits until `length` bytes are there. Throws `corrupt` if the image ends before. */
  async need(length: number): Promise<void> {
    if (this.available >= length) return;
    if (this.available > 0) return this.#join(length);
    this.#sumUp();
    while (this.#rest.length === 0) this.#rest = await this.#next();
    if (this.#rest.length < length) return this.#join(length);
    const bytes = this.#rest;
    this.#rest = noBytes;
    this.#open(bytes);
  }

  /** The checksum of everything up to `length` bytes from here. */
  checksumOf(length: number): number {
    this.#sumUp();
    return crc32(this.#bytes.subarray(this.#at, this.#at + length), this.#checksum);
  }

  async ended(): Promise<boolean> {
    if (this.available > 0 || this.#rest.length > 0) return false;
    return (await this.#chunks.next()).done === true;
  }

  /** Makes exactly `length` bytes readable, of what is left and of the chunks that follow. */
  async #join(length: number): Promise<void> {
    const bytes = new Uint8Array(length);
    bytes.set(this.#bytes.subarray(this.#at));
    let have = this.available;
    this.#open(bytes);
    while (have < length) {
      while (this.#rest.length === 0) this.#rest = await this.#next();
      const part = this.#rest.subarray(0, length - have);
      bytes.set(part, have);
      have += part.length;
      this.#rest = this.#rest.subarray(part.length);
    }
  }

  #open(bytes: Uint8Array): void {
    this.#sumUp();
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    this.#at = 0;
    this.#summedAt = 0;
  }

  async #next(): Promise<Uint8Array> {
    await this.#yieldNow();
    const next = await this.#chunks.next();
    checkImage(!next.done, 'it ends too early');
    return next.value;
  }

  #sumUp(): void {
    this.#checksum = crc32(this.#bytes.subarray(this.#summedAt, this.#at), this.#checksum);
    this.#summedAt = this.#at;
  }
}
