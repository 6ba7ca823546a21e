// The first block of a segment file. It joins the segment to the one before: at which offset the
// log leaves that file, and after which record it goes on here. What lies behind that offset is
// dead, so a torn or doubtful tail is left behind without being touched (safety.md 1).
import { crc32 } from '@holdfast/base/crc32';
import { index, term } from '@holdfast/base/ids';
import type { LogId } from '@holdfast/raft/entry';
import { getCounter, putCounter, viewOf } from './byte-codec.ts';
import { sectorBytes } from './sector.ts';
import { checkVersion } from './twin-file.ts';

//  0 u32 crc of 4 to 80   4 u32 magic   8 u16 format version   10 u16 flags   12 u32 zero
// 16 u64 group id   24 u64 segment sequence   32 u64 file size   40 u64 offset in the segment
// before 48 u64 last index before   56 u64 last term before   64 u32 last chain before   68 zero
const headerBytes = 80;
/** Groups begin here: the header has a sector of its own. */
export const segmentDataOffset = sectorBytes;
const magic = 0x47455348; // "HSEG"
const version = 1;
const startsLogFlag = 1;

export type SegmentHeader = {
  readonly sequence: number;
  readonly groupId: number;
  /** Bytes of the whole file, preallocated. */
  readonly size: number;
  /** Where the log leaves the segment before; 0 if this one starts the log. */
  readonly previousEnd: number;
  /** The entry before the first one here, at or before the last of the segment before. */
  readonly previous: LogId;
  readonly previousChain: number;
  /** Set in the first segment, and where a reset made the log begin anew: older ones are dead. */
  readonly startsLog: boolean;
};

export function encodeSegmentHeader(header: SegmentHeader): Uint8Array {
  const bytes = new Uint8Array(segmentDataOffset);
  const view = viewOf(bytes);
  view.setUint32(4, magic, true);
  view.setUint16(8, version, true);
  view.setUint16(10, header.startsLog ? startsLogFlag : 0, true);
  putCounter(view, 16, header.groupId);
  putCounter(view, 24, header.sequence);
  putCounter(view, 32, header.size);
  putCounter(view, 40, header.previousEnd);
  putCounter(view, 48, header.previous.index);
  putCounter(view, 56, header.previous.term);
  view.setUint32(64, header.previousChain, true);
  view.setUint32(0, crc32(bytes.subarray(4, headerBytes)), true);
  return bytes;
}

/** Undefined if damaged; throws `version-mismatch` for an intact header of a newer format. */
export function decodeSegmentHeader(bytes: Uint8Array): SegmentHeader | undefined {
  if (bytes.length < headerBytes) return undefined;
  const view = viewOf(bytes);
  if (view.getUint32(4, true) !== magic) return undefined;
  if (crc32(bytes.subarray(4, headerBytes)) !== view.getUint32(0, true)) return undefined;
  checkVersion('log', view.getUint16(8, true), version);
  return {
    startsLog: (view.getUint16(10, true) & startsLogFlag) !== 0,
    groupId: getCounter(view, 16),
    sequence: getCounter(view, 24),
    size: getCounter(view, 32),
    previousEnd: getCounter(view, 40),
    previous: { index: index(getCounter(view, 48)), term: term(getCounter(view, 56)) },
    previousChain: view.getUint32(64, true),
  };
}

const suffix = '.seg';

export const segmentName = (sequence: number): string =>
  `${sequence.toString(16).padStart(16, '0')}${suffix}`;

/** The sequence in a segment's name, or undefined for any other file. */
export function segmentSequence(name: string): number | undefined {
  const match = /^([0-9a-f]{16})\.seg$/.exec(name);
  return match ? Number.parseInt(match[1] ?? '', 16) : undefined;
}
