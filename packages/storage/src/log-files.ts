// The files of one log directory, and their names. Knows what lies where, not what it means.
import type { Disk } from './disk.ts';
import { DurableMarkFile } from './durable-mark.ts';
import { readTwice, removeIfThere } from './file-steps.ts';
import { LogBaseFile } from './log-base-file.ts';
import type { LogBase } from './log-index.ts';
import { chainStart } from './log-record.ts';
import { LogSegment } from './log-segment.ts';
import { RotNote } from './rot-note.ts';
import {
  decodeSegmentHeader,
  type SegmentHeader,
  segmentDataOffset,
  segmentName,
  segmentSequence,
} from './segment-header.ts';
import { SegmentMaker, type SegmentMakerOptions } from './segment-maker.ts';

/** A segment file as it was found, before anything in it is believed. */
export type FoundSegment = {
  readonly sequence: number;
  /** Undefined: damaged, or not the header of this file. */
  readonly header: SegmentHeader | undefined;
  readonly segment: LogSegment;
  readonly fileBytes: number;
};

export class LogFiles {
  readonly disk: Disk;
  readonly directory: string;
  readonly groupId: number;
  readonly maker: SegmentMaker;
  readonly mark: DurableMarkFile;
  readonly base: LogBaseFile;
  readonly note: RotNote;

  readonly #options: SegmentMakerOptions;

  constructor(options: SegmentMakerOptions) {
    this.#options = options;
    this.disk = options.disk;
    this.directory = options.directory;
    this.groupId = options.groupId;
    this.maker = new SegmentMaker(options);
    this.mark = new DurableMarkFile(this.disk, `${this.directory}/mark`);
    this.base = new LogBaseFile(this.disk, `${this.directory}/base`);
    this.note = new RotNote(this.disk, `${this.directory}/rot`);
  }

  /** Where damaged segments go: the newest of them are kept, for people (safety.md 3). */
  get damagedDirectory(): string {
    return `${this.directory}/damaged`;
  }

  pathOf(sequence: number): string {
    return `${this.directory}/${segmentName(sequence)}`;
  }

  /** Opens every segment, in order of sequence, and removes what a crash left unfinished. */
  async findSegments(): Promise<readonly FoundSegment[]> {
    const found: FoundSegment[] = [];
    for (const name of await this.disk.list(this.directory)) {
      if (name.endsWith('.tmp')) await removeIfThere(this.disk, `${this.directory}/${name}`);
      const sequence = segmentSequence(name);
      if (sequence !== undefined) found.push(await this.#openSegment(sequence));
    }
    return found.sort((a, b) => a.sequence - b.sequence);
  }

  /** Files that know nothing yet: what another try to open the log finds is on the disk alone. */
  async again(): Promise<LogFiles> {
    // The failure that led here is the one to tell.
    await this.close().catch(() => undefined);
    return new LogFiles(this.#options);
  }

  async close(): Promise<void> {
    await this.maker.close();
    await this.mark.close();
    await this.base.close();
  }

  async #openSegment(sequence: number): Promise<FoundSegment> {
    const path = this.pathOf(sequence);
    const file = await this.disk.open(path);
    const found = await readTwice(async () =>
      decodeSegmentHeader(await file.read(0, segmentDataOffset)),
    );
    const own = found?.sequence === sequence && found.groupId === this.groupId;
    const header = own ? found : undefined;
    const segment = new LogSegment({
      header: header ?? unknownHeader(sequence, this.groupId),
      path,
      file,
      end: segmentDataOffset,
    });
    return { sequence, header, segment, fileBytes: await file.size() };
  }
}

/** The log before its first entry. */
export const originBase: LogBase = {
  id: { index: 0, term: 0 } as LogBase['id'],
  chain: chainStart({ index: 0, term: 0 } as LogBase['id']),
  start: { segment: 1, offset: segmentDataOffset },
};

/** The base that a segment which starts the log (or is the oldest left) names. */
export const baseOfHeader = (header: SegmentHeader): LogBase => ({
  id: header.previous,
  chain: header.previousChain,
  start: { segment: header.sequence, offset: segmentDataOffset },
});

const unknownHeader = (sequence: number, groupId: number): SegmentHeader => ({
  sequence,
  groupId,
  size: 0,
  previousEnd: 0,
  previous: originBase.id,
  previousChain: originBase.chain,
  startsLog: false,
});
