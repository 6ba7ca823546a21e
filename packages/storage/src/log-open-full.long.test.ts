// Goal: a member starts on a disk that is full (safety.md 9). Method: logs whose last group was
// written and not synced, on a memory disk whose rest somebody else has filled.
import { index, term } from '@holdfast/base/ids';
import { SeededRandom } from '@holdfast/base/seeded-random';
import type { Entry } from '@holdfast/raft/entry';
import { describe, expect, it } from 'vitest';
import { MemoryDisk } from './memory-disk.ts';
import { SegmentedLog } from './segmented-log.ts';

const segmentBytes = 4 * 1024 * 1024;

const entries = (lo: number, hi: number): Entry[] =>
  Array.from({ length: hi - lo }, (_, n) => ({
    index: index(lo + n),
    term: term(1),
    kind: 'command',
    payload: new Uint8Array(60_000).fill(1 + (n % 200)),
  }));

const newLog = (disk: MemoryDisk): SegmentedLog =>
  new SegmentedLog({ disk: disk.attach(), segmentBytes });

/** The spare segment, which a start removes, has found no room before. */
async function fill(disk: MemoryDisk): Promise<void> {
  const own = disk.attach();
  if ((await own.list('log')).includes('spare.tmp')) await own.remove('log/spare.tmp');
  const filler = await own.open('filler', { create: true });
  disk.setCapacity(disk.usedBytes + 512);
  await filler.close();
}

/** Dies between the write of the last entries and the mark of their sync; then the disk is full. */
async function died(
  disk: MemoryDisk,
  [lo, hi]: readonly [number, number],
  crash: (disk: MemoryDisk) => void = killed,
): Promise<void> {
  const log = newLog(disk);
  await log.open();
  log.accept(entries(1, lo));
  await log.sync(index(0));
  log.accept(entries(lo, hi));
  disk.setFaults(({ kind, path }) =>
    kind === 'sync' && path.includes('.seg') ? { kind: 'crash' } : undefined,
  );
  await log.sync(index(0)).catch(() => undefined);
  disk.setFaults(undefined);
  crash(disk);
  await fill(disk);
}

const killed = (disk: MemoryDisk): void => disk.processCrash();

describe('a start on a full disk', () => {
  it('takes the room of what the last segment has not used', async () => {
    const disk = new MemoryDisk();
    await died(disk, [20, 30]);
    const log = newLog(disk);
    const found = await log.open();
    expect([found.last.index, found.rot]).toEqual([29, undefined]);
    disk.powerLoss(new SeededRandom(1));
    expect((await newLog(disk).open()).last.index).toBe(29);
  });

  it('has changed nothing where even that is too little, and goes on when there is room', async () => {
    const disk = new MemoryDisk();
    await died(disk, [25, 69]);
    const log = newLog(disk);
    for (let tries = 0; tries < 3; tries += 1) {
      await expect(log.open()).rejects.toMatchObject({ code: 'disk-full' });
    }
    disk.setCapacity(undefined);
    const found = await log.open();
    expect([found.last.index, found.rot]).toEqual([68, undefined]);
    log.accept(entries(69, 80));
    await log.sync(index(0));
    disk.powerLoss(new SeededRandom(2));
    const after = await newLog(disk).open();
    expect([after.last.index, after.rot]).toEqual([79, undefined]);
  });

  it('calls nothing rotten that the power cut off, however often it has to try', async () => {
    for (let seed = 0; seed < 30; seed += 1) {
      const disk = new MemoryDisk();
      const random = new SeededRandom(seed);
      await died(disk, [25, 69], (one) => one.powerLoss(random));
      const first = await newLog(disk)
        .open()
        .catch(() => undefined);
      disk.powerLoss(random);
      disk.setCapacity(undefined);
      const found = await newLog(disk).open();
      expect(found.rot, `seed ${seed}`).toBeUndefined();
      expect(found.last.index).toBeGreaterThanOrEqual(first?.last.index ?? 24);
    }
  });
});
