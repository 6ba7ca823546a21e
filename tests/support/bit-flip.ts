// Rot at rest: one bit of one file turns over while its member is down.
import { closeSync, openSync, readdirSync, readSync, statSync, writeSync } from 'node:fs';
import { basename, join, relative } from 'node:path';
import { pick, type Random } from '@holdfast/base/random';

export type Flip = {
  /** What sort of file it was: log, snapshot, status ... */
  readonly kind: string;
  /** The file, the byte and the bit, for a failing test. */
  readonly path: string;
};

/** Flips one random bit of one random file; of a large file, mostly where it has content. */
export function flipBit(dataDir: string, random: Random): Flip {
  const path = pick(random, durableFiles(dataDir));
  const at = pickByte(path, random);
  const bit = random.integer(0, 8);
  const file = openSync(path, 'r+');
  const byte = Buffer.alloc(1);
  readSync(file, byte, 0, 1, at);
  byte[0] = (byte[0] as number) ^ (1 << bit);
  writeSync(file, byte, 0, 1, at);
  closeSync(file);
  return { kind: kindOf(path), path: `${relative(dataDir, path)} at byte ${at}, bit ${bit}` };
}

/** All files that a start reads; an empty one has no bit to flip. */
function durableFiles(dataDir: string): readonly string[] {
  const entries = readdirSync(dataDir, { withFileTypes: true, recursive: true });
  return entries
    .filter((entry) => entry.isFile() && entry.name !== 'pid' && entry.name !== 'LOCK')
    .map((entry) => join(entry.parentPath, entry.name))
    .filter((path) => statSync(path).size > 0);
}

const chunkBytes = 65_536;

/** Nine times of ten before the end of what was written: the rest of a segment is zero fill. */
function pickByte(path: string, random: Random): number {
  const { size } = statSync(path);
  const end = random.fraction() < 0.9 ? contentEnd(path, size) : size;
  return random.integer(0, Math.max(1, end));
}

function contentEnd(path: string, size: number): number {
  const file = openSync(path, 'r');
  const chunk = Buffer.alloc(chunkBytes);
  try {
    for (
      let start = Math.floor((size - 1) / chunkBytes) * chunkBytes;
      start >= 0;
      start -= chunkBytes
    ) {
      const read = readSync(file, chunk, 0, chunkBytes, start);
      for (let at = read - 1; at >= 0; at -= 1) if (chunk[at] !== 0) return start + at + 1;
    }
    return size;
  } finally {
    closeSync(file);
  }
}

const kindOf = (path: string): string =>
  basename(path)
    .replace(/^[0-9a-f-]+\./, '')
    .replace(/^(\d|[a-f])+$/, 'file');
