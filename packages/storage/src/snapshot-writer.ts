// Writes one snapshot beside the others: in blocks, under a temporary name. It exists from commit()
// on, whole and synced, or not at all.
import { assert } from '@holdfast/base/assert';
import { crc32 } from '@holdfast/base/crc32';
import { viewOf } from './byte-codec.ts';
import type { Disk, DiskFile } from './disk.ts';
import { toOperatingError } from './disk-error.ts';
import { createFresh, discard, parentOf } from './file-steps.ts';
import {
  blockDataBytes,
  blockHeaderBytes,
  blockStrideBytes,
  encodeSnapshotFooter,
  encodeSnapshotHeader,
  type SnapshotHead,
  sealBlock,
} from './snapshot-format.ts';

export class SnapshotFileWriter {
  readonly #disk: Disk;
  readonly #path: string;
  readonly #head: SnapshotHead;
  readonly #onCommit: (imageBytes: number) => void;
  readonly #block = new Uint8Array(blockStrideBytes);
  #file: DiskFile | undefined;
  #offset = 0;
  #filled = 0;
  #blocks = 0;
  #imageBytes = 0;
  #imageCrc = 0;
  #headerCrc = 0;

  constructor(parts: {
    readonly disk: Disk;
    readonly path: string;
    readonly head: SnapshotHead;
    readonly onCommit: (imageBytes: number) => void;
  }) {
    this.#disk = parts.disk;
    this.#path = parts.path;
    this.#head = parts.head;
    this.#onCommit = parts.onCommit;
  }

  async start(): Promise<void> {
    await this.#guarded(async () => {
      this.#file = await createFresh(this.#disk, this.#temporary);
      const header = encodeSnapshotHeader(this.#head);
      this.#headerCrc = viewOf(header).getUint32(0, true);
      await this.#append(this.#file, header);
    });
  }

  /** Rejects with `disk-full` or `unavailable`; the unfinished file is then gone. */
  async write(bytes: Uint8Array): Promise<void> {
    await this.#guarded(async (file) => {
      this.#imageBytes += bytes.length;
      this.#imageCrc = crc32(bytes, this.#imageCrc);
      for (let at = 0; at < bytes.length; ) {
        const count = Math.min(bytes.length - at, blockDataBytes - this.#filled);
        this.#block.set(bytes.subarray(at, at + count), blockHeaderBytes + this.#filled);
        this.#filled += count;
        at += count;
        if (this.#filled === blockDataBytes) await this.#flush(file);
      }
    });
  }

  /** Seals, syncs file and directory: from now on the snapshot exists. */
  async commit(): Promise<void> {
    await this.#guarded(async (file) => {
      if (this.#filled > 0) await this.#flush(file);
      const footer = encodeSnapshotFooter({
        imageBytes: this.#imageBytes,
        imageCrc: this.#imageCrc,
        headerCrc: this.#headerCrc,
        blocks: this.#blocks,
      });
      await this.#append(file, footer);
      await file.sync();
      await this.#disk.rename(this.#temporary, this.#path);
      await this.#disk.syncDirectory(parentOf(this.#path));
      this.#file = undefined;
      await file.close();
    });
    this.#onCommit(this.#imageBytes);
  }

  /** Takes the unfinished file away; after commit() it does nothing. */
  async abort(): Promise<void> {
    const file = this.#file;
    this.#file = undefined;
    if (file) await discard(this.#disk, file, this.#temporary);
  }

  get #temporary(): string {
    return `${this.#path}.tmp`;
  }

  async #flush(file: DiskFile): Promise<void> {
    const block = sealBlock(this.#block.subarray(0, blockHeaderBytes + this.#filled), this.#blocks);
    await this.#append(file, block);
    this.#blocks += 1;
    this.#filled = 0;
  }

  async #append(file: DiskFile, bytes: Uint8Array): Promise<void> {
    await file.write(this.#offset, bytes);
    this.#offset += bytes.length;
  }

  async #guarded(work: (file: DiskFile) => Promise<void>): Promise<void> {
    const isStart = this.#offset === 0;
    assert(isStart || this.#file !== undefined, 'a finished snapshot is not written');
    try {
      await work(this.#file as DiskFile);
    } catch (error) {
      await this.abort();
      throw toOperatingError(error, 'writing a snapshot');
    }
  }
}
