// Goal: an inspection says where a log is damaged and what a start makes of it, and changes
// nothing. Method: a log on a memory disk, damaged in each way, inspected over an overlay and then
// opened.
import { index, term } from '@holdfast/base/ids';
import { SeededRandom } from '@holdfast/base/seeded-random';
import type { Entry } from '@holdfast/raft/entry';
import { describe, expect, it } from 'vitest';
import { LogInspection } from './log-inspection.ts';
import { MemoryDisk } from './memory-disk.ts';
import { OverlayDisk } from './overlay-disk.ts';
import { SegmentedLog } from './segmented-log.ts';

const options = { segmentBytes: 8192, groupBytesMax: 2048 };

const entry = (at: number, inTerm = 1): Entry => ({
  index: index(at),
  term: term(inTerm),
  kind: 'command',
  payload: new Uint8Array(60).map((_, n) => 1 + ((at + n) % 250)),
});

async function written(count: number): Promise<MemoryDisk> {
  const disk = new MemoryDisk();
  const log = new SegmentedLog({ disk: disk.attach(), ...options });
  await log.open();
  for (let at = 1; at <= count; at += 4) {
    log.accept(Array.from({ length: 4 }, (_, n) => entry(at + n)));
    await log.sync(index(at - 1));
  }
  await log.close();
  return disk;
}

async function inspect<T>(
  disk: MemoryDisk,
  look: (log: LogInspection) => Promise<T> | T,
): Promise<T> {
  const overlay = new OverlayDisk({ inner: disk.attach() });
  const log = await LogInspection.of({ disk: overlay, directory: 'log' });
  if (!log) throw new Error('there is no log');
  try {
    return await look(log);
  } finally {
    await log.close();
    await overlay.close();
  }
}

async function flip(disk: MemoryDisk, path: string, offset: number): Promise<void> {
  const file = await disk.open(path);
  const [byte] = await file.read(offset, 1);
  await file.write(offset, Uint8Array.of((byte as number) ^ 4));
  await file.sync();
  await file.close();
}

const segmentsOf = (disk: MemoryDisk): readonly string[] =>
  disk.paths().filter((path) => path.endsWith('.seg') && !path.includes('damaged'));

describe('an inspection of a log', () => {
  it('finds each entry at its place', async () => {
    const disk = await written(120);
    await inspect(disk, async (log) => {
      expect(log.end).toEqual({ kind: 'clean' });
      expect(log.last).toEqual({ index: 120, term: 1 });
      expect(log.segments.length).toBeGreaterThan(1);
      expect(log.segments.map(({ path }) => path)).toEqual(segmentsOf(disk));
      const found: number[] = [];
      for await (const { entry: one, place } of log.entries(50, 61)) {
        found.push(one.index);
        const file = await disk.open(place.path);
        expect(Buffer.from(await file.read(place.offset + 4, 4)).toString()).toBe('HREC');
        await file.close();
      }
      expect(found).toEqual(Array.from({ length: 11 }, (_, n) => 50 + n));
    });
  });

  it('names the place of rot, and what is intact behind it', async () => {
    const disk = await written(120);
    const path = segmentsOf(disk)[0] as string;
    await flip(disk, path, 1500);
    await inspect(disk, async (log) => {
      const { end } = log;
      if (end.kind !== 'rotten') throw new Error(`the log is ${end.kind}`);
      expect(end.path).toBe(path);
      expect(end.offset).toBeLessThanOrEqual(1500);
      expect(end.offset).toBeGreaterThan(1200);
      expect(end.from).toBe(log.last.index + 1);
      const behind: number[] = [];
      for await (const { entry: one } of log.salvaged()) behind.push(one.index);
      expect(behind.at(-1)).toBe(120);
      expect(behind.length).toBeGreaterThanOrEqual(120 - end.from - 4);
    });
  });

  it('names what is torn behind the durable mark', async () => {
    const disk = await written(40);
    const log = new SegmentedLog({ disk: disk.attach(), ...options });
    await log.open();
    const path = segmentsOf(disk).at(-1) as string;
    log.accept([entry(41), entry(42)]);
    await log.sync(index(40));
    disk.processCrash();
    const mark = await disk.open('log/mark');
    await mark.write(0, new Uint8Array(1024));
    await mark.close();
    const file = await disk.open(path);
    const bytes = await file.read(0, await file.size());
    const end = bytes.findLastIndex((byte) => byte !== 0) + 1;
    await file.truncate(end - 20);
    await file.close();
    await inspect(disk, ({ end: found, markedEnd }) => {
      expect(markedEnd).toBeUndefined();
      expect(found).toMatchObject({ kind: 'torn', place: { path } });
    });
  });

  it('agrees with the start about any damage, and leaves every byte as it was', async () => {
    const kinds = new Set<string>();
    for (let seed = 1; seed <= 120; seed += 1) {
      const random = new SeededRandom(seed);
      const disk = await written(80);
      const paths = disk.paths();
      const path = paths[random.integer(0, paths.length)] as string;
      const size = path.endsWith('.seg') ? 8000 : 200;
      await flip(disk, path, random.integer(0, size));
      const before = await contentOf(disk);
      const said = await inspect(disk, (log) => ({ end: log.end, last: log.last.index }));
      expect(await contentOf(disk), `seed ${seed}`).toEqual(before);
      const log = new SegmentedLog({ disk: disk.attach(), ...options });
      const opened = await log.open();
      await log.close();
      kinds.add(said.end.kind);
      expect(said.end.kind === 'rotten', `seed ${seed}`).toBe(opened.rot !== undefined);
      expect(said.last, `seed ${seed}`).toBe(opened.last.index);
      if (said.end.kind === 'torn') expect(opened.tornBytes).toBe(said.end.bytes);
    }
    expect(kinds).toContain('rotten');
  });
});

async function contentOf(disk: MemoryDisk): Promise<Record<string, string>> {
  const found: Record<string, string> = {};
  for (const path of disk.paths()) {
    const file = await disk.open(path);
    found[path] = Buffer.from(await file.read(0, await file.size())).toString('base64');
    await file.close();
  }
  return found;
}
