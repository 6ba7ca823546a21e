// Writes one snapshot beside the others: in blocks, under a name of its own. It exists from
// commit() on, whole and synced, or not at all. One that is received may be broken off and gone on
// with: what was written of it stays as a part (snapshot-part.ts).
import { assert } from '@holdfast/base/assert';
import { joinCrc32 } from '@holdfast/base/crc32';
import { HoldfastError } from '@holdfast/base/errors';
import { viewOf } from './byte-codec.ts';
import type { Disk, DiskFile } from './disk.ts';
import { toOperatingError } from './disk-error.ts';
import { bulkBytes, createFresh, discard, parentOf } from './file-steps.ts';
import {
  blockDataBytes,
  blockHeaderBytes,
  blockStrideBytes,
  encodeSnapshotFooter,
  encodeSnapshotHeader,
  type SnapshotHead,
  sealBlock,
} from './snapshot-format.ts';
import type { OpenedPart } from './snapshot-part.ts';

/**
 * Synced on the way, beside the writing of what follows, so that the last sync does not stall the
 * log's (speed.md 5).
 */
const syncBytes = 16 * bulkBytes;

export type SnapshotWriterParts = {
  readonly disk: Disk;
  readonly path: string;
  /** Where it stands until it is whole. */
  readonly unfinishedPath: string;
  readonly head: SnapshotHead;
  /** What the sender says of a received one: another image is refused at its end. */
  readonly expected?: { readonly bytes: number; readonly checksum: number };
  /** What stands there already. */
  readonly part?: OpenedPart | undefined;
  readonly onCommit: (image: { readonly bytes: number; readonly checksum: number }) => void;
};

export class SnapshotFileWriter {
  readonly #parts: SnapshotWriterParts;
  /** One block is filled while the other one is written. */
  #block = new Uint8Array(blockStrideBytes);
  #otherBlock: Uint8Array<ArrayBuffer> | undefined;
  #writing: Promise<void> = Promise.resolve();
  #syncing: Promise<void> = Promise.resolve();
  #file: DiskFile | undefined;
  #offset = 0;
  #unsyncedBytes = 0;
  #filled = 0;
  #blocks = 0;
  #imageBytes = 0;
  /** Of the blocks that are sealed. */
  #checksum = 0;
  #headerCrc = 0;

  constructor(parts: SnapshotWriterParts) {
    this.#parts = parts;
  }

  /** Bytes of the image that it has taken in: the next write() goes on from there. */
  get offset(): number {
    return this.#imageBytes;
  }

  async start(): Promise<void> {
    const { disk, unfinishedPath, head, part } = this.#parts;
    const header = encodeSnapshotHeader(head);
    this.#headerCrc = viewOf(header).getUint32(0, true);
    if (part) {
      this.#file = part.file;
      this.#blocks = part.blocks;
      this.#imageBytes = part.blocks * blockDataBytes;
      this.#checksum = part.checksum;
      this.#offset = header.length + part.blocks * blockStrideBytes;
      return;
    }
    await this.#guarded(async () => {
      this.#file = await createFresh(disk, unfinishedPath);
      await this.#append(this.#file, header);
    });
  }

  /** Rejects with `disk-full` or `unavailable`; the unfinished file is then gone. */
  async write(bytes: Uint8Array): Promise<void> {
    await this.#guarded(async (file) => {
      this.#imageBytes += bytes.length;
      for (let at = 0; at < bytes.length; ) {
        const count = Math.min(bytes.length - at, blockDataBytes - this.#filled);
        this.#block.set(bytes.subarray(at, at + count), blockHeaderBytes + this.#filled);
        this.#filled += count;
        at += count;
        if (this.#filled === blockDataBytes) await this.#flush(file);
      }
    });
  }

  /**
   * Seals, syncs file and directory: from now on the snapshot exists. Rejects with `corrupt` if the
   * image is not the expected one; the file is then gone.
   */
  async commit(): Promise<void> {
    const { disk, path, unfinishedPath } = this.#parts;
    await this.#guarded(async (file) => {
      if (this.#filled > 0) await this.#flush(file);
      this.#checkWhole();
      await this.#writing;
      await this.#append(file, this.#footer());
      await this.#syncing;
      await file.sync();
      await disk.rename(unfinishedPath, path);
      await disk.syncDirectory(parentOf(path));
      this.#file = undefined;
      await file.close();
    });
    this.#parts.onCommit({ bytes: this.#imageBytes, checksum: this.#checksum });
  }

  /** Takes the unfinished file away; after commit() it does nothing. */
  async abort(): Promise<void> {
    const file = this.#file;
    this.#file = undefined;
    await this.#quiet(); // The file goes, whatever became of that.
    if (file) await discard(this.#parts.disk, file, this.#parts.unfinishedPath);
  }

  /**
   * Leaves what was written for the next try, unless a write or sync has failed; after commit() or
   * abort() it does nothing.
   */
  async suspend(): Promise<void> {
    const file = this.#file;
    this.#file = undefined;
    const isSound = await this.#quiet();
    if (isSound) await file?.close();
    else if (file) await discard(this.#parts.disk, file, this.#parts.unfinishedPath);
  }

  #footer(): Uint8Array {
    return encodeSnapshotFooter({
      imageBytes: this.#imageBytes,
      imageCrc: this.#checksum,
      headerCrc: this.#headerCrc,
      blocks: this.#blocks,
    });
  }

  #checkWhole(): void {
    const { expected } = this.#parts;
    if (expected === undefined) return;
    if (this.#imageBytes === expected.bytes && this.#checksum === expected.checksum) return;
    throw new HoldfastError('corrupt', 'a received snapshot is not the one that was announced');
  }

  /** Begins to write the full block; it ends before the next one begins, or with an error there. */
  async #flush(file: DiskFile): Promise<void> {
    const block = this.#block.subarray(0, blockHeaderBytes + this.#filled);
    const checksum = sealBlock(block, this.#blocks);
    this.#checksum = joinCrc32(this.#checksum, checksum, this.#filled);
    await this.#writing;
    this.#writing = this.#append(file, block);
    this.#writing.catch(() => undefined); // Thrown where it is awaited.
    const next = this.#otherBlock ?? new Uint8Array(blockStrideBytes);
    [this.#block, this.#otherBlock] = [next, this.#block];
    this.#blocks += 1;
    this.#filled = 0;
  }

  async #append(file: DiskFile, bytes: Uint8Array): Promise<void> {
    await file.write(this.#offset, bytes);
    this.#offset += bytes.length;
    this.#unsyncedBytes += bytes.length;
    if (this.#unsyncedBytes < syncBytes) return;
    this.#unsyncedBytes = 0;
    await this.#syncing;
    this.#syncing = file.sync();
    this.#syncing.catch(() => undefined); // Thrown where it is awaited, at the latest by commit().
  }

  /** Nothing is under way on the file any more; answers whether all of it went well. */
  async #quiet(): Promise<boolean> {
    const [written] = await Promise.allSettled([this.#writing]);
    // The last write may have begun a sync.
    const [synced] = await Promise.allSettled([this.#syncing]);
    return written.status === 'fulfilled' && synced.status === 'fulfilled';
  }

  async #guarded(work: (file: DiskFile) => Promise<void>): Promise<void> {
    const isStart = this.#offset === 0;
    assert(isStart || this.#file !== undefined, 'a finished snapshot is not written');
    try {
      await work(this.#file as DiskFile);
    } catch (error) {
      // Also a part goes: what a failed write or sync has left is never trusted (safety.md 1).
      await this.abort();
      throw toOperatingError(error, 'writing a snapshot');
    }
  }
}
