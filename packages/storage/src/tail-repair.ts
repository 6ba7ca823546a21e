// Makes a new segment of what is worth keeping, in one atomic step: it appears under its name with
// its content, so a crash leaves the old state or the new one. Old bytes are never changed in
// place.
import { type Index, index, previous as indexBefore } from '@holdfast/base/ids';
import type { LogId } from '@holdfast/raft/entry';
import type { DiskFile } from './disk.ts';
import { isDiskFull } from './disk-error.ts';
import { copyWhole, makeDurableDirectory } from './file-steps.ts';
import { GroupEncoder, soloGroupBytes } from './group-encoder.ts';
import type { FoundSegment, LogFiles } from './log-files.ts';
import { groupHeaderBytes, type LogPosition } from './log-group.ts';
import type { LogIndex } from './log-index.ts';
import { readAll } from './log-reader.ts';
import { recordBytes } from './log-record.ts';
import type { ScanState } from './log-scan.ts';
import type { LogSegment } from './log-segment.ts';
import { segmentDataOffset, segmentName } from './segment-header.ts';

/** Files that are kept aside: those from furthest along the log. */
const damagedFilesMax = 8;

/** Groups of copied entries are about this long. */
const copyGroupBytes = 1024 * 1024;

export type TailMove = {
  /** The live entries behind `cutAt`, which may be none. */
  readonly lo: Index;
  readonly hi: Index;
  /** Where the log leaves the segment that was the newest. */
  readonly cutAt: number;
  /** Behind the last byte of that segment that is not zero. */
  readonly contentEnd: number;
  readonly commitHint: number;
};

/**
 * Leaves the newest segment at `cutAt` and goes on in a new one, which holds the entries behind.
 */
export async function moveTail(files: LogFiles, log: LogIndex, move: TailMove): Promise<void> {
  const old = log.current;
  const before = log.idAt(indexBefore(move.lo));
  const { copy, segment } = await makeWithLittleRoom(old, move, async (length) => {
    const copy = new EntryCopy(log, move);
    const sequence = old.sequence + 1;
    const segment = await files.maker.make({
      sequence,
      previousEnd: move.cutAt,
      previous: before,
      previousChain: log.chainAt(before.index),
      startsLog: false,
      bytesMin: copy.endFrom(segmentDataOffset),
      length,
      fill: (file) => copy.writeTo(file, { segment: sequence, offset: segmentDataOffset }),
    });
    return { copy, segment };
  });
  log.truncate(before.index);
  log.addSegment(segment);
  copy.index(log);
  old.end = move.cutAt;
  // Gives the space back; whether the shorter length is ever synced does not matter.
  await old.file.truncate(move.cutAt);
}

/**
 * On a full disk the zeros behind what the old segment holds make the room. They say nothing: a
 * write that is cut off by the end of its file is unfinished as well as one that zeros cut off.
 */
async function makeWithLittleRoom<T>(
  old: LogSegment,
  { contentEnd }: TailMove,
  make: (length: 'short' | 'least') => Promise<T>,
): Promise<T> {
  try {
    return await make('short');
  } catch (error) {
    if (!isDiskFull(error)) throw error;
    await old.file.truncate(contentEnd);
    return make('least');
  }
}

export type DamagedSegments = {
  /** The first segment that cannot stay as it is; it may be missing. */
  readonly sequence: number;
  /** All that are there from that sequence on. */
  readonly damaged: readonly FoundSegment[];
  readonly state: ScanState;
};

/**
 * Copies the damaged segment aside, replaces it by one that ends before the damage, and moves all
 * later ones aside. A crash in between leaves damage that the next open finds again.
 */
export async function replaceDamaged(
  files: LogFiles,
  log: LogIndex,
  { sequence, damaged, state }: DamagedSegments,
): Promise<void> {
  await makeDurableDirectory(files.disk, files.damagedDirectory);
  const first = damaged.find((one) => one.sequence === sequence);
  if (first) await copyWhole(files.disk, first.segment.path, await freeName(files, sequence));
  await rebuildSegment(files, log, { sequence, state });
  for (const one of damaged.filter((other) => other.sequence > sequence)) {
    await files.disk.rename(one.segment.path, await freeName(files, one.sequence));
    await one.segment.close();
  }
  await dropOldest(files);
  await files.disk.syncDirectory(files.damagedDirectory);
  await files.disk.syncDirectory(files.directory);
}

/** The same segment again, with only its intact live entries, from where the log begins in it. */
async function rebuildSegment(
  files: LogFiles,
  log: LogIndex,
  { sequence, state }: { readonly sequence: number; readonly state: ScanState },
): Promise<void> {
  const { start } = log.base;
  const offset = start.segment === sequence ? start.offset : segmentDataOffset;
  const newest = log.segments.at(-1);
  const old = newest?.sequence === sequence ? newest : undefined;
  const end = index(log.last.index + 1);
  const { lo, hi } = old ? log.liveFrom(offset) : { lo: end, hi: end };
  const copy = new EntryCopy(log, { lo, hi, commitHint: state.commitHint });
  const place = { segment: sequence, offset };
  const segment = await files.maker.make({
    sequence,
    previousEnd: old ? old.header.previousEnd : (newest?.end ?? 0),
    previous: old ? old.header.previous : log.last,
    previousChain: old ? old.header.previousChain : log.chainAt(log.last.index),
    startsLog: old ? old.header.startsLog : log.segments.length === 0,
    bytesMin: copy.endFrom(offset),
    length: 'short',
    fill: (file) => copy.writeTo(file, place),
  });
  await old?.close();
  log.truncate(indexBefore(lo));
  if (old) log.replaceNewest(segment);
  else log.addSegment(segment);
  copy.index(log);
}

/** What was set aside helps people to find out why; it must not fill the disk. */
async function dropOldest(files: LogFiles): Promise<void> {
  const names = await files.disk.list(files.damagedDirectory);
  for (const name of names.slice(0, Math.max(0, names.length - damagedFilesMax))) {
    await files.disk.remove(`${files.damagedDirectory}/${name}`);
  }
}

/** A name in the directory of damaged files that is not taken: an earlier find stays. */
async function freeName(files: LogFiles, sequence: number): Promise<string> {
  const taken = new Set(await files.disk.list(files.damagedDirectory));
  const name = segmentName(sequence);
  for (let count = 0; ; count += 1) {
    const candidate = count === 0 ? name : `${name}.${count}`;
    if (!taken.has(candidate)) return `${files.damagedDirectory}/${candidate}`;
  }
}

type Copied = {
  readonly id: LogId;
  readonly offset: number;
  readonly payloadLength: number;
  readonly chain: number;
};

type CopyRange = Pick<TailMove, 'lo' | 'hi' | 'commitHint'>;

/** Live entries on their way from where they lie into a new segment. */
class EntryCopy {
  readonly #log: LogIndex;
  readonly #range: CopyRange;
  readonly #copied: Copied[] = [];

  constructor(log: LogIndex, range: CopyRange) {
    this.#log = log;
    this.#range = range;
  }

  /** An upper bound of where the copy ends. */
  endFrom(offset: number): number {
    let bytes = 0;
    for (let at: number = this.#range.lo; at < this.#range.hi; at += 1) {
      bytes += recordBytes(this.#log.positionAt(index(at)).payloadLength);
    }
    const groups = 1 + Math.ceil(bytes / (copyGroupBytes / 2));
    return offset + bytes + groups * groupHeaderBytes;
  }

  /** Writes the groups from `start.offset` on; answers their end. */
  async writeTo(file: DiskFile, start: LogPosition): Promise<number> {
    const encoder = new GroupEncoder();
    const { lo, hi, commitHint } = this.#range;
    let offset = start.offset;
    let chain = this.#log.chainAt(indexBefore(lo));
    encoder.begin(offset, lo, chain);
    for await (const entry of readAll(this.#log, { lo, hi, bytesMax: copyGroupBytes })) {
      if (encoder.count > 0 && encoder.end + soloGroupBytes(entry) > copyGroupBytes) {
        await file.write(offset, encoder.finish(start, commitHint).slice());
        offset += encoder.end;
        encoder.begin(offset, entry.index, chain);
      }
      const at = offset + encoder.add(entry);
      chain = encoder.chain;
      const id = { index: entry.index, term: entry.term };
      this.#copied.push({ id, offset: at, payloadLength: entry.payload.length, chain });
    }
    if (encoder.count === 0) return offset;
    await file.write(offset, encoder.finish(start, commitHint).slice());
    return offset + encoder.end;
  }

  /** Tells the index where the entries lie now. */
  index(log: LogIndex): void {
    for (const { id, ...position } of this.#copied) log.append(id, position);
  }
}
