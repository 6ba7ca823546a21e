// Goal: what a damaged log names as its durable end is never below what was acknowledged; where
// that cannot be known it names none (safety.md 5, D-10). Method: real logs on a MemoryDisk, whose
// mark is as it was left, older than the log, or gone; then every few bytes of every file are
// flipped, and the newest segment is cut everywhere.
import { index, term } from '@holdfast/base/ids';
import { SeededRandom } from '@holdfast/base/seeded-random';
import type { Entry } from '@holdfast/raft/entry';
import { describe, expect, it } from 'vitest';
import { MemoryDisk } from './memory-disk.ts';
import { SegmentedLog } from './segmented-log.ts';

const entry = (at: number, inTerm: number): Entry => ({
  index: index(at),
  term: term(inTerm),
  kind: 'command',
  payload: new Uint8Array(40).map((_, n) => 1 + ((at * 31 + inTerm + n) % 250)),
});

const newLog = (disk: MemoryDisk): SegmentedLog =>
  new SegmentedLog({ disk: disk.attach(), segmentBytes: 4096, groupBytesMax: 1024 });

/** From, until and term of what is written, three entries a sync; the second replaces a part. */
const groups = [
  [1, 55, 1],
  [49, 58, 2],
  [58, 64, 3],
] as const;

type Mark = 'clean' | 'current' | 'older' | 'lost';

/** Entries 1 to 63, of which some were replaced in a newer term; all were acknowledged. */
async function writeLog(markIs: Mark): Promise<MemoryDisk> {
  const disk = new MemoryDisk();
  const log = newLog(disk);
  await log.open();
  let older: Uint8Array = new Uint8Array(0);
  for (const [lo, hi, inTerm] of groups) {
    for (let at = lo; at < hi; at += 3) {
      log.accept([entry(at, inTerm), entry(at + 1, inTerm), entry(at + 2, inTerm)]);
      await log.sync(index(0));
    }
    older = inTerm === 2 ? disk.contents('log/mark') : older;
  }
  if (markIs === 'clean') await log.close();
  else disk.processCrash();
  if (markIs === 'older') await write(disk, 'log/mark', older);
  if (markIs === 'lost') await write(disk, 'log/mark', new Uint8Array(1024));
  return disk;
}

async function write(disk: MemoryDisk, path: string, bytes: Uint8Array): Promise<void> {
  const file = await disk.open(path);
  await file.truncate(bytes.length);
  await file.write(0, bytes);
  await file.sync();
  await file.close();
}

/** A judge of what open() says of the log after the damage. */
async function expectHonest(disk: MemoryDisk, what: string, acknowledged: Entry): Promise<boolean> {
  const log = newLog(disk);
  const { rot, last } = await log.open();
  await log.close();
  if (!rot) {
    expect(last.index, what).toBe(acknowledged.index);
    return false;
  }
  if (!rot.goal) return false;
  expect(rot.goal.end.id, what).toEqual({ index: acknowledged.index, term: acknowledged.term });
  expect(rot.goal.after.id, what).toEqual(last);
  return true;
}

describe('the durable end of a damaged log', () => {
  it.each<Mark>(['clean', 'current', 'older', 'lost'])(
    'is what was acknowledged, or unknown, after any flip (mark: %s)',
    async (markIs) => {
      const random = new SeededRandom(5);
      const acknowledged = entry(63, 3);
      let known = 0;
      let tried = 0;
      const paths = (await writeLog(markIs)).paths();
      for (const path of paths.filter((one) => /seg$|mark$|base$/.test(one))) {
        for (let offset = 0; offset < 4096; offset += random.integer(20, 90)) {
          const disk = await writeLog(markIs);
          if (offset >= disk.contents(path).length) break;
          disk.flipBit(path, offset, random.integer(0, 8));
          tried += 1;
          if (await expectHonest(disk, `${path} at ${offset}`, acknowledged)) known += 1;
        }
      }
      // Most damage of an old segment leaves the end readable.
      expect(known).toBeGreaterThan(tried / 3);
    },
  );

  it.each<Mark>(['clean', 'current', 'older', 'lost'])(
    'is never told too low when the end is damaged as well (mark: %s)',
    async (markIs) => {
      const random = new SeededRandom(6);
      const acknowledged = entry(63, 3);
      let known = 0;
      for (let offset = 512; offset < 4096; offset += random.integer(3, 40)) {
        const disk = await writeLog(markIs);
        const segments = disk.paths().filter((path) => path.endsWith('.seg'));
        disk.flipBit(segments[0] as string, 700, 3);
        disk.flipBit(segments.at(-1) as string, offset, random.integer(0, 8));
        if (await expectHonest(disk, `end at ${offset}`, acknowledged)) known += 1;
      }
      expect(known).toBeGreaterThan(0);
    },
  );

  it('is never told too low by one read that brings the bytes of another place', async () => {
    const acknowledged = entry(63, 3);
    for (let offset = 512; offset < 4096; offset += 61) {
      let reads = Number.POSITIVE_INFINITY;
      for (let wrong = 0; wrong <= reads; wrong += 1) {
        const disk = await writeLog('older');
        const segments = disk.paths().filter((path) => path.endsWith('.seg'));
        disk.flipBit(segments[0] as string, 700, 3);
        disk.flipBit(segments.at(-1) as string, offset, 3);
        let count = 0;
        disk.setFaults(({ kind }) => {
          if (kind !== 'read') return undefined;
          count += 1;
          return count - 1 === wrong ? { kind: 'misdirect', byBytes: 3_000_000 } : undefined;
        });
        await expectHonest(disk, `flip at ${offset}, read ${wrong}`, acknowledged);
        reads = count;
      }
    }
  });
});
