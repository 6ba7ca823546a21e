// What a power cut does to a member's log that `kill -9` does not: bytes that were written and not
// yet synced are gone. The files are read by docs/formats.md alone, not by the code under test.
import { closeSync, openSync, readdirSync, readFileSync, truncateSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import type { Random } from '@holdfast/base/random';

type Place = { readonly segment: number; readonly offset: number };

const logDirectory = (dataDir: string): string => join(dataDir, 'groups', '0', 'log');

/**
 * Loses a part of what was written beyond the durable mark: either the file ends at a random byte,
 * or of its sectors some reached the disk and some did not. Answers how many bytes are gone.
 */
export function losePower(dataDir: string, random: Random): number {
  const directory = logDirectory(dataDir);
  const durable = durableEnd(readFileSync(join(directory, 'mark')));
  if (!durable) return 0;
  let lost = 0;
  for (const { path, sequence } of segments(directory)) {
    if (sequence < durable.segment) continue;
    const from = sequence === durable.segment ? durable.offset : segmentHeaderBytes;
    const end = writtenEnd(path, from);
    if (end === from) continue;
    const span = { path, from, end };
    lost += random.fraction() < 0.5 ? cutFile(span, random) : scatter(span, random);
  }
  return lost;
}

const slotBytes = 72;
const slotOffsets = [0, 512];
const markMagic = 0x4b524d48; // "HMRK"
const segmentHeaderBytes = 512;
const sectorBytes = 512;

/** The newer of the two slots; their checksums are the member's business, nobody damaged them. */
function durableEnd(mark: Buffer): Place | undefined {
  const slots = slotOffsets
    .map((at) => mark.subarray(at, at + slotBytes))
    .filter((slot) => slot.length === slotBytes && slot.readUInt32LE(4) === markMagic)
    .map((slot) => ({
      sequence: slot.readBigUInt64LE(16),
      segment: Number(slot.readBigUInt64LE(24)),
      offset: Number(slot.readBigUInt64LE(32)),
    }));
  return slots.sort((a, b) => Number(b.sequence - a.sequence))[0];
}

function segments(directory: string): readonly { path: string; sequence: number }[] {
  return readdirSync(directory)
    .filter((name) => name.endsWith('.seg'))
    .map((name) => join(directory, name))
    .map((path) => ({ path, sequence: Number(readFileSync(path).readBigUInt64LE(24)) }))
    .sort((a, b) => a.sequence - b.sequence);
}

/** The end of the last byte that is not zero, at or behind `from`. */
function writtenEnd(path: string, from: number): number {
  const bytes = readFileSync(path);
  let end = bytes.length;
  while (end > from && bytes[end - 1] === 0) end -= 1;
  return end;
}

type Span = { readonly path: string; readonly from: number; readonly end: number };

function cutFile({ path, from, end }: Span, random: Random): number {
  const at = random.integer(from, end);
  truncateSync(path, at);
  return end - at;
}

/** A preallocated file shows zeros where a sector has not reached the disk. */
function scatter({ path, from, end }: Span, random: Random): number {
  const file = openSync(path, 'r+');
  let lost = 0;
  for (let at = from; at < end; ) {
    const stop = Math.min(end, (Math.floor(at / sectorBytes) + 1) * sectorBytes);
    if (random.fraction() < 0.5) lost += writeSync(file, Buffer.alloc(stop - at), 0, stop - at, at);
    at = stop;
  }
  closeSync(file);
  return lost;
}
