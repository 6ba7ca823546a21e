// One open segment file: its header, where its data ends, and how many readers hold it. Which
// entries live in it is the log index's business.
import { assert } from '@holdfast/base/assert';
import type { Disk, DiskFile } from './disk.ts';
import type { SegmentHeader } from './segment-header.ts';

export class LogSegment {
  readonly header: SegmentHeader;
  readonly path: string;
  readonly file: DiskFile;
  /** The offset after the last written group. */
  end: number;
  #readers = 0;
  #closing = false;

  constructor(parts: {
    readonly header: SegmentHeader;
    readonly path: string;
    readonly file: DiskFile;
    readonly end: number;
  }) {
    this.header = parts.header;
    this.path = parts.path;
    this.file = parts.file;
    this.end = parts.end;
  }

  get sequence(): number {
    return this.header.sequence;
  }

  /** It is removed or closed, and takes no new readers. */
  get isGone(): boolean {
    return this.#closing;
  }

  get roomBytes(): number {
    return this.header.size - this.end;
  }

  /** A read that keeps the file open until it is done, even if the segment is removed meanwhile. */
  async read(offset: number, length: number, into?: Uint8Array): Promise<Uint8Array> {
    assert(!this.#closing, 'a removed segment gets no new readers');
    this.#readers += 1;
    try {
      return await this.file.read(offset, length, into);
    } finally {
      this.#readers -= 1;
      if (this.#closing && this.#readers === 0) await this.file.close();
    }
  }

  /** Closes the file now, or behind the last reader. */
  async close(): Promise<void> {
    if (this.#closing) return;
    this.#closing = true;
    if (this.#readers === 0) await this.file.close();
  }

  async remove(disk: Disk): Promise<void> {
    await disk.remove(this.path);
    await this.close();
  }
}
