// The durable purge mark: the entry before the first of the log, and where the log begins in its
// files. Synced before the segments in front of it go, so a half-done purge is finished at open.
import { index, term } from '@holdfast/base/ids';
import { getCounter, putCounter, viewOf } from './byte-codec.ts';
import type { Disk } from './disk.ts';
import type { LogBase } from './log-index.ts';
import { TwinFile } from './twin-file.ts';

const magic = 0x53414248; // "HBAS"
const version = 1;
//  0 u64 index   8 u64 term   16 u64 chain   24 u64 segment   32 u64 offset
const baseBytes = 40;

export class LogBaseFile {
  readonly #file: TwinFile;

  constructor(disk: Disk, path: string) {
    this.#file = new TwinFile(disk, { path, what: 'base of the log', magic, version });
  }

  /**
   * Undefined: never purged, or `lost`: unreadable, and the oldest segment's header must say it.
   */
  async open(): Promise<{ readonly base: LogBase | undefined; readonly lost: boolean }> {
    const { payload, exists } = await this.#file.open();
    const base = payload?.length === baseBytes ? decodeBase(payload) : undefined;
    return { base, lost: exists && !base };
  }

  save(base: LogBase): Promise<void> {
    const bytes = new Uint8Array(baseBytes);
    const view = viewOf(bytes);
    putCounter(view, 0, base.id.index);
    putCounter(view, 8, base.id.term);
    putCounter(view, 16, base.chain);
    putCounter(view, 24, base.start.segment);
    putCounter(view, 32, base.start.offset);
    return this.#file.save(bytes);
  }

  /** As TwinFile.scrub. */
  scrub(): Promise<boolean> {
    return this.#file.scrub();
  }

  close(): Promise<void> {
    return this.#file.close();
  }
}

function decodeBase(bytes: Uint8Array): LogBase {
  const view = viewOf(bytes);
  return {
    id: { index: index(getCounter(view, 0)), term: term(getCounter(view, 8)) },
    chain: getCounter(view, 16),
    start: { segment: getCounter(view, 24), offset: getCounter(view, 32) },
  };
}
