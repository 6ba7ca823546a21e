// Room that is kept for the way out of a full disk (safety.md 9): a file of real bytes, which is
// given up when nothing else is left, so that deletes, compaction and one new snapshot still fit.
// Owns that file, and the word whether the disk is low. It never decides what is still written.
import { assert } from '@holdfast/base/assert';
import type { Disk, DiskFile } from './disk.ts';
import { Exclusive } from './exclusive.ts';
import { bulkBytes, openIfThere, parentOf, removeIfThere } from './file-steps.ts';

export type SpaceReserveOptions = {
  readonly disk: Disk;
  readonly path: string;
  /** Of the log: what a roll needs at once. */
  readonly segmentBytes: number;
};

/** Filled in one look, so that a look ends soon and the disk is left to others in between. */
const fillBytesMax = 16 * bulkBytes;

export class SpaceReserve {
  readonly #options: SpaceReserveOptions;
  /** A file that is being filled is not given up half-way. */
  readonly #exclusive = new Exclusive();
  #file: DiskFile | undefined;
  #heldBytes = 0;
  #isOpen = false;
  #isLow = false;

  constructor(options: SpaceReserveOptions) {
    assert(options.segmentBytes > 0, 'a segment has bytes');
    this.#options = options;
  }

  /** No room is left but what was kept back: nothing may be added, until there is more. */
  get isLow(): boolean {
    return this.#isLow;
  }

  get heldBytes(): number {
    return this.#heldBytes;
  }

  /** Gives its bytes back to the disk, which is then low. False: there was nothing to give. */
  giveUp(): Promise<boolean> {
    return this.#exclusive.run(async () => {
      await this.#open();
      this.#isLow = true;
      const had = this.#heldBytes > 0;
      await this.#drop();
      return had;
    });
  }

  /**
   * Looks how much is free, says whether that is too little, and fills the reserve up: to a segment
   * of the log and a quarter more than the newest snapshot. A disk that refuses is no failure here.
   */
  tend(snapshotBytes: number): Promise<void> {
    return this.#exclusive.run(async () => {
      await this.#open();
      const { disk, segmentBytes } = this.#options;
      const freeBytes = await disk.freeBytes();
      this.#judge(freeBytes + this.#heldBytes);
      // On a low disk the log needs every byte that comes free.
      if (this.#isLow) return;
      const wantedBytes = segmentBytes + Math.ceil(1.25 * snapshotBytes) - this.#heldBytes;
      // The last of the room stays free: a reserve that fills the disk would be needed at once.
      const spareBytes = freeBytes - segmentBytes / 4;
      const moreBytes = Math.floor(Math.min(wantedBytes, spareBytes, fillBytesMax));
      if (moreBytes > 0) await this.#fill(moreBytes);
    });
  }

  /** The file stays: it is the next start's as well. */
  close(): Promise<void> {
    return this.#exclusive.run(async () => {
      const file = this.#file;
      this.#file = undefined;
      await file?.close();
    });
  }

  /** Low is left by a good margin, or a disk at the edge would be called both in turn. */
  #judge(ownBytes: number): void {
    const { segmentBytes } = this.#options;
    this.#isLow = ownBytes < (this.#isLow ? 1.25 * segmentBytes : segmentBytes);
  }

  async #open(): Promise<void> {
    if (this.#isOpen) return;
    const { disk, path } = this.#options;
    this.#file = await openIfThere(disk, path);
    this.#heldBytes = (await this.#file?.size()) ?? 0;
    this.#isOpen = true;
  }

  async #fill(bytes: number): Promise<void> {
    const { disk, path } = this.#options;
    const zeros = new Uint8Array(Math.min(bulkBytes, bytes));
    try {
      this.#file ??= await disk.open(path, { create: true });
      for (let left = bytes; left > 0; left -= zeros.length) {
        const chunk = zeros.subarray(0, Math.min(zeros.length, left));
        await this.#file.write(this.#heldBytes, chunk);
        this.#heldBytes += chunk.length;
      }
      await this.#file.sync();
    } catch {
      // Somebody else took the room meanwhile, or the disk fails: the log meets that, and tells it.
    }
  }

  async #drop(): Promise<void> {
    const { disk, path } = this.#options;
    const file = this.#file;
    this.#file = undefined;
    this.#heldBytes = 0;
    await file?.close();
    await removeIfThere(disk, path);
    await disk.syncDirectory(parentOf(path));
  }
}
