// Finds intact records in a segment whose walk has stopped at damage: for people who want to know
// what is behind it. A group is recognised by its header, and each record by its own checksums;
// that they belong to the log, and in this order, nothing proves any more.
import type { LocatedEntry } from './located-entry.ts';
import { decodeGroupHeader, groupHeaderBytes } from './log-group.ts';
import { decodeRecordHeader, entryAt, payloadIsIntact, recordBytes } from './log-record.ts';
import type { LogSegment } from './log-segment.ts';

/** Bytes of one search; a group may be longer, and is then read for itself. */
const windowBytes = 4 * 1024 * 1024;
/** The magic's first byte, "H" of HGRP and HREC, and its place in both headers. */
const magicFirstByte = 0x48;
const magicAt = 4;

export async function* salvageSegment(
  segment: LogSegment,
  range: { readonly from: number; readonly until: number },
): AsyncGenerator<LocatedEntry> {
  for (let at = range.from; at < range.until; ) {
    const bytes = await segment.read(at, Math.min(windowBytes, range.until - at));
    const place = findGroup(bytes);
    if (place === undefined) {
      // A header may lie across the end of the window.
      at += Math.max(1, bytes.length - groupHeaderBytes + 1);
      if (bytes.length < groupHeaderBytes) return;
      continue;
    }
    const header = decodeGroupHeader(bytes, place);
    const length = groupHeaderBytes + (header?.bytes ?? 0);
    const start = at + place;
    yield* intactRecords(await segment.read(start, length), { path: segment.path, start });
    at = start + groupHeaderBytes;
  }
}

function findGroup(bytes: Uint8Array): number | undefined {
  let at = bytes.indexOf(magicFirstByte, magicAt);
  while (at >= 0) {
    if (decodeGroupHeader(bytes, at - magicAt)) return at - magicAt;
    at = bytes.indexOf(magicFirstByte, at + 1);
  }
  return undefined;
}

/** The records behind one group header; damaged ones are passed over. */
function* intactRecords(
  bytes: Uint8Array,
  { path, start }: { readonly path: string; readonly start: number },
): Generator<LocatedEntry> {
  for (let at = groupHeaderBytes; at < bytes.length; ) {
    const record = decodeRecordHeader(bytes, at);
    if (!record) {
      at = nextCandidate(bytes, at);
      continue;
    }
    if (payloadIsIntact(bytes, at, record)) {
      yield { entry: entryAt(bytes, at, record), place: { path, offset: start + at } };
    }
    at += recordBytes(record.payloadLength);
  }
}

function nextCandidate(bytes: Uint8Array, at: number): number {
  const found = bytes.indexOf(magicFirstByte, at + magicAt + 1);
  return found < 0 ? bytes.length : found - magicAt;
}
