// Reads the image out of one snapshot file, block by block, each verified before anybody sees it,
// with the next few under way meanwhile. It owns its place and its read-ahead; the file is the
// caller's, and is left in peace after close().
import { assert } from '@holdfast/base/assert';
import { joinCrc32 } from '@holdfast/base/crc32';
import type { DiskFile } from './disk.ts';
import {
  blockDataBytes,
  blockHeaderBytes,
  blockStrideBytes,
  type OpenedBlock,
  openBlock,
} from './snapshot-format.ts';

/** Where the blocks of an image lie, and how much of it there is. */
export type ImagePlace = { readonly headerBytes: number; readonly imageBytes: number };

/** Blocks of one read: a read costs a hop to another thread and back, whatever its length. */
const blocksPerRead = 4;
const newReadMemory = (): Uint8Array => new Uint8Array(blocksPerRead * blockStrideBytes);

export class BlockReader {
  readonly #file: DiskFile;
  readonly #place: ImagePlace;
  #next: number;
  /** What is left of the last read: it begins with block #next. */
  #bytes: Uint8Array = new Uint8Array(0);
  /** The first block that no read has asked for. */
  #unread: number;
  #ahead: Promise<Uint8Array> | undefined;
  /** Of the reads, in turns: new pages for each would cost more than the reading. */
  readonly #memory = [newReadMemory(), newReadMemory()] as const;
  #reads = 0;

  /**
   * Begins with the block that holds the image's byte `offset`. A block's data is overwritten once
   * the next one has been asked for.
   */
  constructor(file: DiskFile, place: ImagePlace, offset = 0) {
    assert(offset <= place.imageBytes, 'an image is read from a place within it');
    this.#file = file;
    this.#place = place;
    this.#next = Math.floor(offset / blockDataBytes);
    this.#unread = this.#next;
    this.#readAhead();
  }

  /** Blocks [0, number) were given or skipped. */
  get number(): number {
    return this.#next;
  }

  get isAtEnd(): boolean {
    return this.#next * blockDataBytes >= this.#place.imageBytes;
  }

  /** The next block, or undefined if it is not intact. Not at the end. */
  async next(): Promise<OpenedBlock | undefined> {
    assert(!this.isAtEnd, 'there is a block to read');
    if (this.#bytes.length === 0 && this.#ahead) {
      this.#bytes = await this.#ahead;
      this.#readAhead();
    }
    const length = this.#strideOf(this.#next);
    const block = openBlock(this.#bytes.subarray(0, length), this.#next);
    this.#bytes = this.#bytes.subarray(length);
    this.#next += 1;
    return block ?? this.#readAgain(this.#next - 1);
  }

  /** One wrong answer of a disk is no damage. */
  async #readAgain(number: number): Promise<OpenedBlock | undefined> {
    const at = this.#place.headerBytes + number * blockStrideBytes;
    return openBlock(await this.#file.read(at, this.#strideOf(number)), number);
  }

  /** Nothing is read from the file any more. */
  async close(): Promise<void> {
    await this.#ahead?.catch(() => undefined); // Nobody wants what it would have read.
  }

  #readAhead(): void {
    this.#ahead = undefined;
    const first = this.#unread;
    let length = 0;
    while (this.#unread < first + blocksPerRead && this.#strideOf(this.#unread) > 0) {
      length += this.#strideOf(this.#unread);
      this.#unread += 1;
    }
    if (length === 0) return;
    const memory = this.#memory[this.#reads % 2];
    this.#reads += 1;
    const offset = this.#place.headerBytes + first * blockStrideBytes;
    this.#ahead = this.#file.read(offset, length, memory);
    this.#ahead.catch(() => undefined); // Told by next(), if it comes to that.
  }

  /** Bytes of a block in the file; 0 behind the last. */
  #strideOf(number: number): number {
    const left = this.#place.imageBytes - number * blockDataBytes;
    return left > 0 ? blockHeaderBytes + Math.min(blockDataBytes, left) : 0;
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
    const block = await reader.next();
    if (!block) return `block ${number} is damaged`;
    const { data } = block;
    checksum = joinCrc32(checksum, block.checksum, data.length);
    if (skip < data.length) yield skip === 0 ? data : data.subarray(skip);
    skip = 0;
  }
  const isWhole = wanted.offset === 0;
  return isWhole && checksum !== wanted.checksum ? 'its whole checksum is wrong' : undefined;
}
