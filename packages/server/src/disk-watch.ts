// How full the disk below the data directory is: a figure for monitors, and a line in the log when
// it passes 70, 80 and 90 percent (D-18). It only watches; what a full disk does stands in
// safety.md 9.
import type { Clock } from '@holdfast/base/clock';
import { sleep } from '@holdfast/base/clock';
import { messageOf } from '@holdfast/base/errors';

import type { Log } from './log.ts';
import type { Figure } from './metrics.ts';

export type DiskSpace = { readonly freeBytes: number; readonly totalBytes: number };

export type DiskWatchOptions = {
  readonly clock: Clock;
  readonly log: Log;
  readonly measure: () => Promise<DiskSpace>;
};

const lookEveryMs = 5000;
const stepsPercent = [90, 80, 70] as const;

export class DiskWatch {
  readonly #options: DiskWatchOptions;
  #space: DiskSpace | undefined;
  #told = 0;

  constructor(options: DiskWatchOptions) {
    this.#options = options;
  }

  get figures(): readonly Figure[] {
    return [
      {
        name: 'disk_free_bytes',
        help: 'Bytes that this member may still write below its data directory',
        read: () => this.#space?.freeBytes,
      },
      {
        name: 'disk_total_bytes',
        help: 'Size of the disk below the data directory',
        read: () => this.#space?.totalBytes,
      },
    ];
  }

  /** Until the signal aborts. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock } = this.#options;
    while (!signal.aborted) {
      await this.look();
      await sleep(clock, lookEveryMs, signal).catch(() => undefined); // The loop looks at it.
    }
  }

  async look(): Promise<void> {
    const { measure, log } = this.#options;
    try {
      this.#space = await measure();
    } catch (error) {
      // A figure less; whether the disk works is found out by those who write.
      log.debug({ reason: messageOf(error) }, 'the room on the disk is not known');
      return;
    }
    this.#tell(this.#space);
  }

  /** Each step once; again after it was left by a good margin. */
  #tell({ freeBytes, totalBytes }: DiskSpace): void {
    if (totalBytes <= 0) return;
    const used = 100 * (1 - freeBytes / totalBytes);
    const step = stepsPercent.find((percent) => used >= percent) ?? 0;
    if (step > this.#told) {
      const text = `the disk of the data directory is ${Math.floor(used)} % full`;
      this.#options.log.warn({ freeBytes, totalBytes }, `${text}: ${advice}`);
      this.#told = step;
    } else if (used < this.#told - 5) this.#told = step;
  }
}

const advice = 'make room, or lower --history-revisions-max; a full disk takes no writes';
