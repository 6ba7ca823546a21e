// Real bytes kept back for the day on which the disk is full (safety.md 9): given up, they are the
// room for deletes, compaction and one new snapshot.
import type { Disk } from './disk.ts';
import { toOperatingError } from './disk-error.ts';
import { createWhole, fillZero, openIfThere, parentOf, removeIfThere } from './file-steps.ts';

export type ReserveFileOptions = { readonly disk: Disk; readonly path?: string };

/** One segment and 1.25 times the last snapshot. */
export const reserveBytes = (segmentBytes: number, snapshotBytes: number): number =>
  segmentBytes + Math.ceil(snapshotBytes * 1.25);

export class ReserveFile {
  readonly #disk: Disk;
  readonly #path: string;

  constructor(options: ReserveFileOptions) {
    this.#disk = options.disk;
    this.#path = options.path ?? 'reserve';
  }

  /** Holds at least `bytes` back. Rejects with `disk-full`; what was held before stays held. */
  async hold(bytes: number): Promise<void> {
    try {
      const file = await openIfThere(this.#disk, this.#path);
      if (!file) {
        const fresh = await createWhole(this.#disk, this.#path, (one) => fillZero(one, 0, bytes));
        await fresh.close();
        return;
      }
      try {
        await fillZero(file, await file.size(), bytes);
        await file.sync();
      } finally {
        await file.close();
      }
    } catch (error) {
      throw toOperatingError(error, 'holding disk space back');
    }
  }

  /** Gives everything up; answers how many bytes that were. */
  async giveUp(): Promise<number> {
    try {
      const file = await openIfThere(this.#disk, this.#path);
      if (!file) return 0;
      const bytes = await file.size();
      await file.close();
      await removeIfThere(this.#disk, this.#path);
      await this.#disk.syncDirectory(parentOf(this.#path));
      return bytes;
    } catch (error) {
      throw toOperatingError(error, 'giving disk space up');
    }
  }
}
