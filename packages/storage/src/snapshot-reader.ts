// Reads the image out of one snapshot file, block by block, each verified before anybody sees it,
// with the next one under way meanwhile. It owns its place and its read-ahead; the file is the
// caller's, and is left in peace after close().
import { assert } from '@holdfast/base/assert';
import { crc32 } from '@holdfast/base/crc32';
import type { DiskFile } from './disk.ts';
import {
  blockDataBytes,
  blockHeaderBytes,
  blockStrideBytes,
  openBlock,
} from './snapshot-format.ts';

/** Where the blocks of an image lie, and how much of it there is. */
export type ImagePlace = { readonly headerBytes: number; readonly imageBytes: number };

export class BlockReader {
  readonly #file: DiskFile;
  readonly #place: ImagePlace;
  #next: number;
  #ahead: Promise<Uint8Array> | undefined;

  /** Begins with the block that holds the image's byte `offset`. */
  constructor(file: DiskFile, place: ImagePlace, offset = 0) {
    assert(offset <= place.imageBytes, 'an image is read from a place within it');
    this.#file = file;
    this.#place = place;
    this.#next = Math.floor(offset / blockDataBytes);
    this.#readAhead();
  }

  /** Blocks [0, number) were given or skipped. */
  get number(): number {
    return this.#next;
  }

  get isAtEnd(): boolean {
    return this.#next * blockDataBytes >= this.#place.imageBytes;
  }

  /** The next block's data, or undefined if it is not intact. Not at the end. */
  async next(): Promise<Uint8Array | undefined> {
    assert(this.#ahead !== undefined, 'there is a block to read');
    const data = openBlock(await this.#ahead, this.#next);
    this.#next += 1;
    this.#readAhead();
    return data;
  }

  /** Nothing is read from the file any more. */
  async close(): Promise<void> {
    await this.#ahead?.catch(() => undefined); // Nobody wants what it would have read.
  }

  #readAhead(): void {
    this.#ahead = undefined;
    if (this.isAtEnd) return;
    const { headerBytes, imageBytes } = this.#place;
    const left = imageBytes - this.#next * blockDataBytes;
    const length = blockHeaderBytes + Math.min(blockDataBytes, left);
    this.#ahead = this.#file.read(headerBytes + this.#next * blockStrideBytes, length);
    this.#ahead.catch(() => undefined); // Told by next(), if it comes to that.
  }
}

/**
 * Yields the image from byte `offset` on; returns why the rest cannot be believed, or undefined.
 * The whole checksum is compared only by who reads it all.
 */
export async function* readImage(
  reader: BlockReader,
  wanted: { readonly offset: number; readonly checksum: number },
): AsyncGenerator<Uint8Array, string | undefined, undefined> {
  let skip = wanted.offset % blockDataBytes;
  let checksum = 0;
  while (!reader.isAtEnd) {
    const { number } = reader;
    const data = await reader.next();
    if (!data) return `block ${number} is damaged`;
    checksum = crc32(data, checksum);
    if (skip < data.length) yield skip === 0 ? data : data.subarray(skip);
    skip = 0;
  }
  const isWhole = wanted.offset === 0;
  return isWhole && checksum !== wanted.checksum ? 'its whole checksum is wrong' : undefined;
}
