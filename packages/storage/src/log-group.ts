// The header of a group: the records of one write. It says what was already synced when the group
// was written, which is how a later reader tells a torn end from rot (safety.md 2 and 3).
import { crc32 } from '@holdfast/base/crc32';
import { getCounter, putCounter, viewOf } from './byte-codec.ts';

/** A place in the log's files. Grows with every write, also when the log itself is truncated. */
export type LogPosition = { readonly segment: number; readonly offset: number };

export const isBefore = (a: LogPosition, b: LogPosition): boolean =>
  a.segment < b.segment || (a.segment === b.segment && a.offset < b.offset);

export const laterOf = (a: LogPosition, b: LogPosition): LogPosition => (isBefore(a, b) ? b : a);

//  0 u32 crc of 4 to 64   4 u32 magic   8 u32 bytes of the records   12 u32 count of records
// 16 u64 first index   24 u32 chain before the first   28 u32 chain of the last record
// 32 u64, 40 u64 durable position (segment, offset)   48 u64 commit hint
// 56 u32 blank sectors of the records   60 u32 end mark
export const groupHeaderBytes = 64;
const magic = 0x50524748; // "HGRP"
const magicFirstByte = magic & 0xff;
/** No byte of it is zero: the part of a sector in which a header ends is never blank. */
const endMark = 0x444e4548; // "HEND"

export type GroupHeader = {
  readonly bytes: number;
  readonly count: number;
  /** At or below the last index before it: the group truncates what it replaces. */
  readonly firstIndex: number;
  readonly previousChain: number;
  readonly lastChain: number;
  /** The end of what was synced when this group was written. */
  readonly durable: LogPosition;
  readonly commitHint: number;
  /** Sectors that the records leave zero where all of them are written (`blankSectors`). */
  readonly blankSectors: number;
};

export function encodeGroupHeader(bytes: Uint8Array, header: GroupHeader): void {
  const view = viewOf(bytes);
  view.setUint32(4, magic, true);
  view.setUint32(8, header.bytes, true);
  view.setUint32(12, header.count, true);
  putCounter(view, 16, header.firstIndex);
  view.setUint32(24, header.previousChain, true);
  view.setUint32(28, header.lastChain, true);
  putCounter(view, 32, header.durable.segment);
  putCounter(view, 40, header.durable.offset);
  putCounter(view, 48, header.commitHint);
  view.setUint32(56, header.blankSectors, true);
  view.setUint32(60, endMark, true);
  view.setUint32(0, crc32(bytes.subarray(4, groupHeaderBytes)), true);
}

/** The header at `at`, or undefined if the bytes are no intact header. */
export function decodeGroupHeader(bytes: Uint8Array, at: number): GroupHeader | undefined {
  if (at + groupHeaderBytes > bytes.length) return undefined;
  const view = viewOf(bytes);
  if (view.getUint32(at + 4, true) !== magic) return undefined;
  const crc = crc32(bytes.subarray(at + 4, at + groupHeaderBytes));
  if (crc !== view.getUint32(at, true)) return undefined;
  return {
    bytes: view.getUint32(at + 8, true),
    count: view.getUint32(at + 12, true),
    firstIndex: getCounter(view, at + 16),
    previousChain: view.getUint32(at + 24, true),
    lastChain: view.getUint32(at + 28, true),
    durable: { segment: getCounter(view, at + 32), offset: getCounter(view, at + 40) },
    commitHint: getCounter(view, at + 48),
    blankSectors: view.getUint32(at + 56, true),
  };
}

/** Every intact group header in the bytes, wherever it lies: what stands behind damage. */
export function findGroupHeaders(bytes: Uint8Array): readonly GroupHeader[] {
  const found: GroupHeader[] = [];
  const magicAt = 4;
  let at = bytes.indexOf(magicFirstByte, magicAt);
  while (at >= 0) {
    const header = decodeGroupHeader(bytes, at - magicAt);
    if (header) found.push(header);
    at = bytes.indexOf(magicFirstByte, at + 1);
  }
  return found;
}
