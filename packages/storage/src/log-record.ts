// One entry on disk: a fixed header and the payload (docs/formats.md). The header's checksum covers
// the entry's place, kind, payload checksum and the checksum of the record before it, so it is the
// link of a chain: equal chains mean equal logs up to here, in whatever files the records lie.
import { crc32 } from '@holdfast/base/crc32';
import { HoldfastError } from '@holdfast/base/errors';
import { index, term } from '@holdfast/base/ids';
import type { Entry, EntryKind, LogId } from '@holdfast/raft/entry';
import { getCounter, putCounter, viewOf } from './byte-codec.ts';

//  0 u32 header crc (4 to 40), the chain   4 u32 magic   8 u32 payload length
// 12 u8 kind   13 u8 record format   14 u16 zero   16 u64 index   24 u64 term
// 32 u32 payload crc   36 u32 chain of the record before
export const recordHeaderBytes = 40;
const magic = 0x43455248; // "HREC"
const recordFormat = 1;
/** The length field's end, and far above what any door lets in. */
export const payloadBytesMax = 0x7fffffff;

const kindCodes: Readonly<Record<EntryKind, number>> = { command: 1, empty: 2, membership: 3 };
const kinds: readonly (EntryKind | undefined)[] = [undefined, 'command', 'empty', 'membership'];

export const recordBytes = (payloadLength: number): number => recordHeaderBytes + payloadLength;

/** Where the chain begins when nothing is known of what came before `last` (docs/formats.md). */
export function chainStart(last: LogId): number {
  const bytes = new Uint8Array(16);
  putCounter(viewOf(bytes), 0, last.index);
  putCounter(viewOf(bytes), 8, last.term);
  return crc32(bytes);
}

/** Where to write a record, and what it follows. `view` lies over `bytes`. */
export type RecordPlace = {
  readonly bytes: Uint8Array;
  readonly view: DataView;
  readonly at: number;
};

/** Writes the record of `entry`; answers its chain. */
export function encodeRecord(place: RecordPlace, entry: Entry, previousChain: number): number {
  place.bytes.set(entry.payload, place.at + recordHeaderBytes);
  return encodeHeader(place, entry, previousChain);
}

/** The chain of a log after these entries, which was `chain` before them. Writes nothing. */
export function chainAfter(entries: readonly Entry[], chain: number): number {
  const bytes = new Uint8Array(recordHeaderBytes);
  const place = { bytes, view: viewOf(bytes), at: 0 };
  return entries.reduce((before, entry) => encodeHeader(place, entry, before), chain);
}

function encodeHeader(place: RecordPlace, entry: Entry, previousChain: number): number {
  const { bytes, view, at } = place;
  const { payload } = entry;
  view.setUint32(at + 4, magic, true);
  view.setUint32(at + 8, payload.length, true);
  view.setUint32(at + 12, kindCodes[entry.kind] | (recordFormat << 8), true);
  putCounter(view, at + 16, entry.index);
  putCounter(view, at + 24, entry.term);
  view.setUint32(at + 32, payload.length === 0 ? 0 : crc32(payload), true);
  view.setUint32(at + 36, previousChain, true);
  const chain = crc32(bytes.subarray(at + 4, at + recordHeaderBytes));
  view.setUint32(at, chain, true);
  return chain;
}

export type RecordHeader = {
  readonly index: number;
  readonly term: number;
  readonly kind: EntryKind;
  readonly payloadLength: number;
  readonly payloadCrc: number;
  readonly previousChain: number;
  readonly chain: number;
};

/**
 * The header at `at`, or undefined if the bytes are no intact header. Throws `version-mismatch` for
 * an intact one that this version does not understand: an unknown kind of entry is never skipped.
 */
export function decodeRecordHeader(
  bytes: Uint8Array,
  at: number,
  view = viewOf(bytes),
): RecordHeader | undefined {
  if (at + recordHeaderBytes > bytes.length) return undefined;
  if (view.getUint32(at + 4, true) !== magic) return undefined;
  const chain = view.getUint32(at, true);
  if (crc32(bytes.subarray(at + 4, at + recordHeaderBytes)) !== chain) return undefined;
  return {
    chain,
    kind: kindOf(view.getUint8(at + 12), view.getUint8(at + 13)),
    payloadLength: view.getUint32(at + 8, true),
    index: getCounter(view, at + 16),
    term: getCounter(view, at + 24),
    payloadCrc: view.getUint32(at + 32, true),
    previousChain: view.getUint32(at + 36, true),
  };
}

/** Whether the payload that follows the header at `at` is there and intact. */
export function payloadIsIntact(bytes: Uint8Array, at: number, header: RecordHeader): boolean {
  const lo = at + recordHeaderBytes;
  const hi = lo + header.payloadLength;
  if (hi > bytes.length) return false;
  const crc = lo === hi ? 0 : crc32(bytes.subarray(lo, hi));
  return crc === header.payloadCrc;
}

/** The entry whose intact record lies at `at`; its payload shares the bytes. */
export function entryAt(bytes: Uint8Array, at: number, header: RecordHeader): Entry {
  const lo = at + recordHeaderBytes;
  return {
    index: index(header.index),
    term: term(header.term),
    kind: header.kind,
    payload: bytes.subarray(lo, lo + header.payloadLength),
  };
}

function kindOf(code: number, format: number): EntryKind {
  const kind = format === recordFormat ? kinds[code] : undefined;
  if (kind) return kind;
  throw new HoldfastError(
    'version-mismatch',
    `the log holds a record of kind ${code} in format ${format}, which this version of Holdfast ` +
      'does not know: start the version that wrote it, or a newer one',
  );
}
