// Walks the groups of one segment from the front and takes every intact record into the log's
// index. It stops at the first byte that is not what must stand there and says where; what that
// means (the end, a torn write, rot) is tail-verdict.ts's question.
import type { Index } from '@holdfast/base/ids';
import { index, term } from '@holdfast/base/ids';
import {
  type Configuration,
  decodeConfiguration,
  type PlacedConfiguration,
} from '@holdfast/raft/configuration';
import type { Entry } from '@holdfast/raft/entry';
import { viewOf } from './byte-codec.ts';
import { bulkBytes } from './file-steps.ts';
import {
  decodeGroupHeader,
  type GroupHeader,
  groupHeaderBytes,
  type LogPosition,
  laterOf,
} from './log-group.ts';
import type { LogIndex } from './log-index.ts';
import {
  decodeRecordHeader,
  entryAt,
  payloadIsIntact,
  type RecordHeader,
  recordBytes,
} from './log-record.ts';
import type { LogSegment } from './log-segment.ts';

/** What the scan has learned so far, over all segments. */
export type ScanState = {
  readonly log: LogIndex;
  /** The furthest place that any intact group header calls synced. */
  durable: LogPosition;
  commitHint: number;
  configurations: { readonly index: Index; readonly configuration: Configuration }[];
};

export type ScanRange = {
  readonly from: number;
  /** Where the log leaves this segment; for the newest one the end of the file as it should be. */
  readonly until: number;
  /** Told of the offset before each read; what it throws ends the scan. */
  readonly onRead?: (offset: number) => void;
};

export type ScanStop = {
  /** The end of the last intact group. */
  readonly end: number;
  /** Every offset at which a group begins, and `end`. */
  readonly boundaries: ReadonlySet<number>;
  /** Undefined if everything up to `until` was intact. */
  readonly damage: Damage | undefined;
};

export type Damage = {
  /** The first byte of what is not intact: a group's header or a record. */
  readonly at: number;
  readonly reason: string;
  /** Of the group that it stands in, where it is intact. */
  readonly header?: GroupHeader;
};

export async function scanSegment(
  segment: LogSegment,
  range: ScanRange,
  state: ScanState,
): Promise<ScanStop> {
  const window = new Window(segment, range.onRead);
  const boundaries = new Set([range.from]);
  let end = range.from;
  while (end < range.until) {
    const place = { at: end, until: range.until, state };
    let next = await nextGroup(window, place);
    if (typeof next !== 'number') {
      // One wrong answer of a disk is no damage: it is asked again before anything is lost.
      window.forget();
      next = await nextGroup(window, place);
    }
    if (typeof next !== 'number') return { end, boundaries, damage: next };
    end = next;
    boundaries.add(end);
  }
  return { end, boundaries, damage: undefined };
}

/** Takes in the group that begins there, and answers where it ends; or what is wrong with it. */
async function nextGroup(window: Window, place: Omit<Group, 'header'>): Promise<number | Damage> {
  const { at, state } = place;
  const header = decodeGroupHeader(await window.at(at, groupHeaderBytes), 0);
  if (!header) return { at, reason: 'no intact group header' };
  state.durable = laterOf(state.durable, header.durable);
  const length = groupHeaderBytes + header.bytes;
  const damage = takeGroup(await window.at(at, length), { ...place, header });
  if (damage) return { ...damage, header };
  state.commitHint = Math.max(state.commitHint, header.commitHint);
  return at + length;
}

type Group = {
  readonly header: GroupHeader;
  readonly at: number;
  readonly until: number;
  readonly state: ScanState;
};

/** Takes the group's records in, up to the first that is damaged. */
function takeGroup(bytes: Uint8Array, group: Group): Damage | undefined {
  const { header, at, state } = group;
  const end = groupHeaderBytes + header.bytes;
  const flaw = groupFlaw(group);
  if (flaw) return { at, reason: flaw };
  const view = viewOf(bytes);
  let position = groupHeaderBytes;
  let chain = header.previousChain;
  for (let wanted = header.firstIndex; wanted < header.firstIndex + header.count; wanted += 1) {
    const record = decodeRecordHeader(bytes, position, view);
    const expected = { index: wanted, chain, term: state.log.termAt(index(wanted - 1)) };
    const reason = recordFlaw(bytes, { position, record, expected, groupEnd: end });
    if (reason || !record) return { at: at + position, reason: reason ?? '' };
    if (wanted === header.firstIndex) truncateTo(state, index(wanted - 1));
    takeRecord(state, entryAt(bytes, position, record), { offset: at + position, record });
    chain = record.chain;
    position += recordBytes(record.payloadLength);
  }
  if (position === end && chain === header.lastChain) return undefined;
  return { at, reason: 'a group does not end as its header says' };
}

function groupFlaw({ header, at, until, state }: Group): string | undefined {
  const { log } = state;
  if (header.count === 0) return 'a group is empty';
  if (at + groupHeaderBytes + header.bytes > until) return 'a group is longer than its segment';
  if (header.firstIndex <= log.base.id.index) return 'a group begins before the log';
  if (header.firstIndex > log.last.index + 1) return `entry ${log.last.index + 1} is missing`;
  const chain = log.chainAt(index(header.firstIndex - 1));
  return chain === header.previousChain ? undefined : 'a group does not follow its predecessor';
}

type RecordCheck = {
  readonly position: number;
  readonly record: RecordHeader | undefined;
  readonly expected: { readonly index: number; readonly chain: number; readonly term: number };
  readonly groupEnd: number;
};

function recordFlaw(bytes: Uint8Array, check: RecordCheck): string | undefined {
  const { position, record, expected, groupEnd } = check;
  const name = `record ${expected.index}`;
  if (!record) return `${name} has a damaged header`;
  if (record.index !== expected.index) return `${name} is numbered ${record.index}`;
  if (record.previousChain !== expected.chain) return `${name} breaks the chain`;
  if (record.term < expected.term) return `${name} has an older term than the one before`;
  if (position + recordBytes(record.payloadLength) > groupEnd) return `${name} leaves its group`;
  return payloadIsIntact(bytes, position, record) ? undefined : `${name} has a damaged payload`;
}

function takeRecord(
  state: ScanState,
  entry: Entry,
  place: { readonly offset: number; readonly record: RecordHeader },
): void {
  const { payloadLength, chain } = place.record;
  const id = { index: entry.index, term: term(entry.term) };
  state.log.append(id, { offset: place.offset, payloadLength, chain });
  if (entry.kind !== 'membership') return;
  const placed: PlacedConfiguration = {
    index: entry.index,
    configuration: decodeConfiguration(entry.payload),
  };
  state.configurations.push({ index: entry.index, configuration: placed.configuration });
}

/** Forgets what a later write replaced. */
export function truncateTo(state: ScanState, last: Index): void {
  if (state.log.last.index === last) return;
  state.log.truncate(last);
  state.configurations = state.configurations.filter((placed) => placed.index <= last);
}

/**
 * Reads ahead in big steps; each step gives other work a turn. What it gives is good until it is
 * asked again: all reads share one piece of memory, for new pages cost more than the reading.
 */
class Window {
  readonly #segment: LogSegment;
  readonly #memory = new Uint8Array(bulkBytes);
  readonly #onRead: ((offset: number) => void) | undefined;
  #bytes: Uint8Array = new Uint8Array(0);
  #offset = 0;

  constructor(segment: LogSegment, onRead: ((offset: number) => void) | undefined) {
    this.#segment = segment;
    this.#onRead = onRead;
  }

  /** The next bytes come from the disk, whatever was read before. */
  forget(): void {
    this.#bytes = new Uint8Array(0);
  }

  /** Bytes from `offset`, fewer than `length` only at the end of the file. */
  async at(offset: number, length: number): Promise<Uint8Array> {
    const missing = offset < this.#offset || offset + length > this.#offset + this.#bytes.length;
    if (missing) {
      this.#onRead?.(offset);
      const memory = length > bulkBytes ? new Uint8Array(length) : this.#memory;
      this.#bytes = await this.#segment.read(offset, memory.length, memory);
      this.#offset = offset;
    }
    const lo = offset - this.#offset;
    return this.#bytes.subarray(lo, lo + length);
  }
}
