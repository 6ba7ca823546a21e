// Turns the image of a state into the bytes of a backup file, block by block as they are asked for:
// whoever sends or writes them sets the pace, and no more than a block or two is held.
import { joinCrc32 } from '@holdfast/base/crc32';
import { type BackupHead, encodeBackupHeader } from './backup-format.ts';
import { BackupSeal } from './backup-seal.ts';
import { viewOf } from './byte-codec.ts';
import {
  blockDataBytes,
  blockHeaderBytes,
  blockStrideBytes,
  encodeSnapshotFooter,
  sealBlock,
} from './snapshot-format.ts';

/** The whole file in pieces, each in memory of its own. */
export async function* encodeBackup(
  head: BackupHead,
  image: AsyncIterable<Uint8Array>,
  options: { readonly isSealed?: boolean } = {},
): AsyncGenerator<Uint8Array, void, undefined> {
  const { isSealed = false } = options;
  const header = encodeBackupHeader(head, isSealed);
  const pieces = encodePieces(header, image);
  yield* isSealed ? sealed(pieces) : pieces;
}

async function* sealed(
  pieces: AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array, void, undefined> {
  const seal = new BackupSeal();
  for await (const piece of pieces) {
    seal.add(piece);
    yield piece;
  }
  yield seal.take();
}

async function* encodePieces(
  header: Uint8Array,
  image: AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array, void, undefined> {
  yield header;
  const blocks = new BlockMaker();
  for await (const chunk of image) {
    for (let at = 0; at < chunk.length; ) {
      at += blocks.fill(chunk.subarray(at));
      if (blocks.isFull) yield blocks.take();
    }
  }
  if (blocks.isBegun) yield blocks.take();
  const headerCrc = viewOf(header).getUint32(0, true);
  yield encodeSnapshotFooter({ ...blocks.totals, headerCrc });
}

class BlockMaker {
  #block = new Uint8Array(blockStrideBytes);
  #filled = 0;
  #blocks = 0;
  #imageBytes = 0;
  #imageCrc = 0;

  get isBegun(): boolean {
    return this.#filled > 0;
  }

  get isFull(): boolean {
    return this.#filled === blockDataBytes;
  }

  get totals() {
    return { blocks: this.#blocks, imageBytes: this.#imageBytes, imageCrc: this.#imageCrc };
  }

  /** Takes in as much as there is room for; answers how much. */
  fill(bytes: Uint8Array): number {
    const count = Math.min(bytes.length, blockDataBytes - this.#filled);
    this.#block.set(bytes.subarray(0, count), blockHeaderBytes + this.#filled);
    this.#filled += count;
    return count;
  }

  take(): Uint8Array {
    const block = this.#block.subarray(0, blockHeaderBytes + this.#filled);
    const checksum = sealBlock(block, this.#blocks);
    this.#imageCrc = joinCrc32(this.#imageCrc, checksum, this.#filled);
    this.#imageBytes += this.#filled;
    this.#blocks += 1;
    this.#block = new Uint8Array(blockStrideBytes);
    this.#filled = 0;
    return block;
  }
}
