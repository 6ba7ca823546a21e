// Makes segment files: zero-filled to their full size, with header and any first content, synced,
// and only then under their name. Keeps one filled spare, so that a roll does not wait for the
// zeros.
import type { Disk, DiskFile } from './disk.ts';
import { createFresh, createWhole, discard, fillZero, parentOf } from './file-steps.ts';
import { LogSegment } from './log-segment.ts';
import {
  encodeSegmentHeader,
  type SegmentHeader,
  segmentDataOffset,
  segmentName,
} from './segment-header.ts';
import type { SpaceReserve } from './space-reserve.ts';

export type SegmentMakerOptions = {
  readonly disk: Disk;
  readonly directory: string;
  readonly segmentBytes: number;
  readonly groupId: number;
  /** On a low disk segments are short, and none is made before it is needed. */
  readonly reserve?: Pick<SpaceReserve, 'isLow'> | undefined;
};

export type SegmentOrder = Omit<SegmentHeader, 'size' | 'groupId'> & {
  /** The segment grows beyond the usual size if this needs it; counts from the file's begin. */
  readonly bytesMin?: number;
  /**
   * Made while somebody waits for a start or an install, and the log soon goes on in a usual one:
   * short, or only as long as it must be, on a full disk.
   */
  readonly length?: 'short' | 'least';
  /** Writes first content; answers its end. */
  readonly fill?: (file: DiskFile) => Promise<number>;
};

/** Filled with zeros in a few milliseconds; a usual segment takes some tenths of a second. */
const shortBytes = 2 * 1024 * 1024;

export class SegmentMaker {
  readonly #options: SegmentMakerOptions;
  #spare: DiskFile | undefined;
  #filling: Promise<void> | undefined;

  constructor(options: SegmentMakerOptions) {
    this.#options = options;
  }

  /** Durable under its name when resolved; a segment of the same sequence is replaced. */
  async make(order: SegmentOrder): Promise<LogSegment> {
    const { directory, groupId } = this.#options;
    const size = Math.max(this.#wantedBytes(order), order.bytesMin ?? 0);
    const header: SegmentHeader = { ...order, size, groupId };
    const path = `${directory}/${segmentName(order.sequence)}`;
    let end = segmentDataOffset;
    const write = async (file: DiskFile): Promise<void> => {
      file.writeNow(0, encodeSegmentHeader(header));
      end = (await order.fill?.(file)) ?? segmentDataOffset;
    };
    const file = await this.#makeFile(path, size, write);
    return new LogSegment({ header, path, file, end });
  }

  /** Begins to fill the spare in the background, if there is none; its failure costs nothing. */
  prepare(): void {
    if (this.#spare || this.#filling || this.#options.reserve?.isLow) return;
    this.#filling = this.#fillSpare().finally(() => {
      this.#filling = undefined;
    });
  }

  async close(): Promise<void> {
    await this.#filling;
    const spare = this.#spare;
    this.#spare = undefined;
    if (spare) await discard(this.#options.disk, spare, this.#sparePath);
  }

  #wantedBytes({ length }: SegmentOrder): number {
    const { segmentBytes, reserve } = this.#options;
    if (length === 'least') return segmentDataOffset;
    if (length === 'short') return Math.min(shortBytes, segmentBytes);
    // Several of them fit into what the reserve has left.
    const isLow = reserve?.isLow && !this.#spare;
    return isLow ? Math.min(shortBytes, segmentBytes / 4) : segmentBytes;
  }

  get #sparePath(): string {
    return `${this.#options.directory}/spare.tmp`;
  }

  async #makeFile(
    path: string,
    size: number,
    write: (file: DiskFile) => Promise<void>,
  ): Promise<DiskFile> {
    const { disk, segmentBytes } = this.#options;
    await this.#filling;
    const spare = this.#spare;
    if (!spare || size !== segmentBytes) {
      return createWhole(disk, path, async (file) => {
        await fillZero(file, 0, size);
        await write(file);
      });
    }
    this.#spare = undefined;
    try {
      await write(spare);
      await spare.sync();
      await disk.rename(this.#sparePath, path);
      await disk.syncDirectory(parentOf(path));
      return spare;
    } catch (error) {
      await discard(disk, spare, this.#sparePath);
      throw error;
    }
  }

  /**
   * Never rejects: without a spare the next roll fills its file itself, and tells what is wrong.
   */
  async #fillSpare(): Promise<void> {
    const { disk, segmentBytes } = this.#options;
    let file: DiskFile | undefined;
    try {
      file = await createFresh(disk, this.#sparePath);
      await fillZero(file, 0, segmentBytes);
      await file.sync();
      this.#spare = file;
    } catch {
      // A spare saves time and nothing else: without it the next roll does the work, and fails
      // aloud.
      if (file) await discard(disk, file, this.#sparePath);
    }
  }
}
