// Reads entries back from their segments, and believes none before its checksums, its index and its
// place in the chain are what was known when it was written.
import { HoldfastError, isHoldfastError } from '@holdfast/base/errors';
import { type Index, index } from '@holdfast/base/ids';
import { type Entry, entryOverheadBytes } from '@holdfast/raft/entry';
import { toOperatingError } from './disk-error.ts';
import type { EntryPosition, EntryPositions } from './entry-positions.ts';
import type { LogIndex } from './log-index.ts';
import { decodeRecordHeader, entryAt, payloadIsIntact, recordBytes } from './log-record.ts';
import type { LogSegment } from './log-segment.ts';

/** Dead groups between live entries are read over, up to this many bytes a read. */
const deadBytesMax = 1024 * 1024;

export type ReadRange = { readonly lo: Index; readonly hi: Index; readonly bytesMax: number };

/**
 * Entries from `lo` on, before `hi`: as many as lie in one segment and fit in `bytesMax`, and at
 * least one. Throws `corrupt`, naming the index, where a record is not what was written, and
 * `unavailable` where the disk refuses to read.
 */
export async function readEntries(log: LogIndex, range: ReadRange): Promise<readonly Entry[]> {
  const { segment, positions } = log.homeOf(range.lo);
  const wanted = positionsOf(positions, range);
  const [first, last] = [wanted[0], wanted.at(-1)];
  if (!first || !last) return [];
  const length = last.offset + recordBytes(last.payloadLength) - first.offset;
  const read = async (): Promise<readonly Entry[]> => {
    const bytes = await segment.read(first.offset, length).catch((error: unknown) => {
      throw toOperatingError(error, 'reading the log');
    });
    return wanted.map((position, at) =>
      verifiedEntry(bytes, {
        at: position.offset - first.offset,
        index: range.lo + at,
        position,
        segment,
      }),
    );
  };
  try {
    return await read();
  } catch (error) {
    // One wrong answer of a disk is no damage.
    if (isHoldfastError(error, 'corrupt')) return read();
    throw error;
  }
}

/** All entries [lo, hi), segment by segment. */
export async function* readAll(log: LogIndex, range: ReadRange): AsyncGenerator<Entry> {
  for (let { lo } = range; lo < range.hi; ) {
    const entries = await readEntries(log, { ...range, lo });
    yield* entries;
    lo = index(lo + entries.length);
  }
}

function positionsOf(positions: EntryPositions, { lo, hi, bytesMax }: ReadRange): EntryPosition[] {
  const found: EntryPosition[] = [];
  const end = Math.min(hi, positions.end);
  const start = positions.at(lo).offset;
  let bytes = 0;
  for (let at: number = lo; at < end; at += 1) {
    const position = positions.at(at);
    bytes += entryOverheadBytes + position.payloadLength;
    const spanBytes = position.offset + recordBytes(position.payloadLength) - start;
    const tooMuch = bytes > bytesMax || spanBytes > bytesMax + deadBytesMax;
    if (tooMuch && found.length > 0) break;
    found.push(position);
  }
  return found;
}

type Expected = {
  /** Where its record lies in the bytes that were read. */
  readonly at: number;
  readonly index: number;
  readonly position: EntryPosition;
  readonly segment: LogSegment;
};

function verifiedEntry(bytes: Uint8Array, expected: Expected): Entry {
  const { at, position, segment } = expected;
  const header = decodeRecordHeader(bytes, at);
  const intact =
    header &&
    header.index === expected.index &&
    header.chain === position.chain &&
    payloadIsIntact(bytes, at, header);
  if (intact) return entryAt(bytes, at, header);
  throw new HoldfastError(
    'corrupt',
    `log entry ${expected.index} cannot be read: its record in ${segment.path} is damaged`,
    { details: { index: expected.index, segment: segment.path, offset: position.offset } },
  );
}
