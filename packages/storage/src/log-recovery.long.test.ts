// What the log says after each kind of end: clean, crash, cut, flip, missing file. Each case writes
// a real log on a MemoryDisk, damages it, opens it again and compares with what was acknowledged.
import { equalBytes } from '@holdfast/base/bytes';
import { isHoldfastError } from '@holdfast/base/errors';
import { index, term } from '@holdfast/base/ids';
import { SeededRandom } from '@holdfast/base/seeded-random';
import { type Entry, sameLogId } from '@holdfast/raft/entry';
import { describe, expect, it } from 'vitest';
import { MemoryDisk } from './memory-disk.ts';
import { SegmentedLog } from './segmented-log.ts';

const options = { segmentBytes: 8192, groupBytesMax: 2048 };

function entry(at: number, inTerm = 1, payloadLength = 40): Entry {
  const payload = new Uint8Array(payloadLength).map((_, n) => 1 + ((at * 31 + inTerm + n) % 250));
  return { index: index(at), term: term(inTerm), kind: 'command', payload };
}

const entries = (lo: number, hi: number, inTerm = 1): Entry[] =>
  Array.from({ length: hi - lo }, (_, n) => entry(lo + n, inTerm));

async function openLog(disk: MemoryDisk) {
  const log = new SegmentedLog({ disk: disk.attach(), ...options });
  return { log, recovery: await log.open() };
}

/** Entries 1 to `count`, synced five at a time; the mark knows all but what `unmarked` says. */
async function writeLog(disk: MemoryDisk, count: number): Promise<SegmentedLog> {
  const { log } = await openLog(disk);
  for (let at = 1; at <= count; at += 5) {
    log.accept(entries(at, Math.min(at + 5, count + 1)));
    await log.sync(index(Math.max(0, at - 1)));
  }
  return log;
}

const readBack = async (log: SegmentedLog): Promise<readonly Entry[]> => {
  const { purged, accepted } = log.marks;
  const all: Entry[] = [];
  for (let at = purged.index + 1; at <= accepted.index; at += 1) {
    all.push(...(await log.read(index(at), index(at + 1), 1)));
  }
  return all;
};

/** As toEqual, which looks at each byte of each payload as a property of its own. */
function expectSame(found: readonly Entry[], wanted: readonly Entry[]): void {
  expect(found.length).toBe(wanted.length);
  const strange = found.findIndex((one, at) => {
    const other = wanted[at] as Entry;
    return !sameLogId(one, other) || !equalBytes(one.payload, other.payload);
  });
  expect(strange).toBe(-1);
}

/** The offset behind the last byte that is not zero in a file. */
function contentEnd(bytes: Uint8Array): number {
  return bytes.findLastIndex((byte) => byte !== 0) + 1;
}

const newestSegment = (disk: MemoryDisk): string =>
  disk.paths().findLast((path) => path.endsWith('.seg') && !path.includes('damaged')) as string;

async function cutAt(disk: MemoryDisk, path: string, offset: number): Promise<void> {
  const file = await disk.open(path);
  await file.truncate(offset);
  await file.sync();
  await file.close();
}

/** The mark as it was before the last sync: both slots zero, so only group headers speak. */
async function eraseMark(disk: MemoryDisk): Promise<void> {
  const file = await disk.open('log/mark');
  await file.write(0, new Uint8Array(1024));
  await file.sync();
  await file.close();
}

describe('the log after a clean stop', () => {
  it('finds everything, in several segments, with terms, sizes and the commit hint', async () => {
    const disk = new MemoryDisk();
    const { log } = await openLog(disk);
    log.accept([...entries(1, 80), ...entries(80, 161, 3)]);
    await log.sync(index(0));
    log.accept(entries(161, 170, 4));
    await log.sync(index(150));
    await log.close();
    const { log: again, recovery } = await openLog(disk);
    expect(recovery.last).toEqual({ index: 169, term: 4 });
    expect(recovery.termRuns).toEqual([
      { from: 1, term: 1 },
      { from: 80, term: 3 },
      { from: 161, term: 4 },
    ]);
    expect(recovery.sizes).toEqual(Array.from({ length: 169 }, () => 80));
    expect(recovery.commitHint).toBe(150);
    expect(recovery.rot).toBeUndefined();
    expect(disk.paths().filter((path) => path.endsWith('.seg')).length).toBeGreaterThan(1);
    expect(await readBack(again)).toEqual([
      ...entries(1, 80),
      ...entries(80, 161, 3),
      ...entries(161, 170, 4),
    ]);
    await again.close();
  });

  it('keeps indexes, terms and the hint exact at 2^31, 2^32 and near 2^53', async () => {
    for (const at of [2 ** 31, 2 ** 32, 2 ** 53 - 100]) {
      const disk = new MemoryDisk();
      const { log } = await openLog(disk);
      await log.reset({ index: index(at - 2), term: term(at - 50) });
      log.accept([entry(at - 1, at - 20), entry(at, at - 20), entry(at + 1, at + 3)]);
      await log.sync(index(at));
      await log.close();
      const { log: again, recovery } = await openLog(disk);
      expect(recovery.purged).toEqual({ index: at - 2, term: at - 50 });
      expect(recovery.last).toEqual({ index: at + 1, term: at + 3 });
      expect(recovery.commitHint).toBe(at);
      expect((await readBack(again))[1]).toEqual(entry(at, at - 20));
      await again.close();
    }
  });
});

describe('a torn end (D-09)', () => {
  it('is cut at every byte of the last three records beyond the durable mark', async () => {
    const disk = new MemoryDisk();
    await writeLog(disk, 10);
    const path = newestSegment(disk);
    const before = contentEnd(disk.contents(path));
    // Three groups of one sync that was never answered: written, not acknowledged.
    const { log } = await openLog(disk);
    disk.setFaults((operation) =>
      operation.kind === 'sync' && operation.path === path ? { kind: 'crash' } : undefined,
    );
    log.accept(entries(11, 14));
    await expect(log.sync(index(10))).rejects.toThrow();
    disk.setFaults(undefined);
    disk.processCrash();
    const written = disk.contents(path);
    const mark = disk.contents('log/mark');
    const after = contentEnd(written);
    expect(after).toBeGreaterThan(before);
    for (let offset = before; offset < after; offset += 1) {
      await restore(disk, path, written);
      await restore(disk, 'log/mark', mark);
      await cutAt(disk, path, offset);
      const { log: again, recovery } = await openLog(disk);
      expect(recovery.rot, `cut at ${offset}`).toBeUndefined();
      expect(recovery.last.index).toBeGreaterThanOrEqual(10);
      expectSame(await readBack(again), entries(1, recovery.last.index + 1));
      again.accept(entries(recovery.last.index + 1, 20));
      await again.sync(index(10));
      await again.close();
      const { log: third, recovery: final } = await openLog(disk);
      expect(final.last.index).toBe(19);
      await third.close();
      await removeAll(disk, path);
    }
  });

  it('is rot when the same bytes are cut before the mark (D-10)', async () => {
    const disk = new MemoryDisk();
    const log = await writeLog(disk, 13);
    await log.close();
    const path = newestSegment(disk);
    const written = disk.contents(path);
    const mark = disk.contents('log/mark');
    const end = contentEnd(written);
    for (let offset = end - 300; offset < end; offset += 1) {
      await restore(disk, path, written);
      await restore(disk, 'log/mark', mark);
      await cutAt(disk, path, offset);
      const { log: again, recovery } = await openLog(disk);
      expect(recovery.rot, `cut at ${offset}`).toBeDefined();
      expect(recovery.rot?.from).toBe(recovery.last.index + 1);
      expect(recovery.rot?.goal?.end.id).toEqual({ index: 13, term: 1 });
      expectSame(await readBack(again), entries(1, recovery.last.index + 1));
      await again.close();
      await removeAll(disk, path);
      await disk.remove('log/rot');
    }
  });
});

describe('rot', () => {
  it('is told for a flipped bit at any byte before the mark, never a silent shortening', async () => {
    const disk = new MemoryDisk();
    await (await writeLog(disk, 20)).close();
    const path = newestSegment(disk);
    const written = disk.contents(path);
    const mark = disk.contents('log/mark');
    const random = new SeededRandom(1);
    for (let offset = 0; offset < contentEnd(written); offset += random.integer(1, 9)) {
      await restore(disk, path, written);
      await restore(disk, 'log/mark', mark);
      disk.flipBit(path, offset, random.integer(0, 8));
      const { log, recovery } = await openLog(disk);
      const kept = await readBack(log);
      expectSame(kept, entries(1, kept.length + 1));
      // The header's padding is no record; all else is.
      if (kept.length < 20) expect(recovery.rot, `flip at ${offset}`).toBeDefined();
      else expect(offset >= 80 && offset < 512).toBe(true);
      await log.close();
      await removeAll(disk, path);
      if (recovery.rot) await disk.remove('log/rot');
    }
  });

  it('in an old segment ends the log there, and keeps that file and later ones aside', async () => {
    const disk = new MemoryDisk();
    await (await writeLog(disk, 200)).close();
    const segments = disk.paths().filter((path) => path.endsWith('.seg'));
    const second = segments[1] as string;
    const original = disk.contents(second);
    disk.flipBit(second, 3000, 3);
    const { log, recovery } = await openLog(disk);
    expect(recovery.rot?.from).toBe(recovery.last.index + 1);
    expect(recovery.rot?.goal?.end.id).toEqual({ index: 200, term: 1 });
    expectSame(await readBack(log), entries(1, recovery.last.index + 1));
    const aside = disk.paths().filter((path) => path.includes('damaged'));
    expect(aside.length).toBe(segments.length - 1);
    const damaged = disk.contents(aside[0] as string);
    expect(damaged.length).toBe(original.length);
    await log.close();
  });

  it('is kept aside in a bounded number of files', async () => {
    const disk = new MemoryDisk();
    await (await writeLog(disk, 400)).close();
    expect(disk.paths().filter((path) => path.endsWith('.seg')).length).toBeGreaterThan(4);
    for (let round = 0; round < 3; round += 1) {
      disk.flipBit('log/0000000000000001.seg', 600, 3);
      const { log, recovery } = await openLog(disk);
      log.accept(entries(recovery.last.index + 1, 300));
      await log.sync(index(0));
      await log.close();
    }
    const aside = disk.paths().filter((path) => path.includes('damaged'));
    expect(aside.length).toBe(8);
  });

  it('is told again by every open until the first sync, then no more', async () => {
    const disk = new MemoryDisk();
    await (await writeLog(disk, 20)).close();
    disk.flipBit(newestSegment(disk), 1000, 3);
    const first = await openLog(disk);
    disk.powerLoss(new SeededRandom(3));
    const second = await openLog(disk);
    expect(second.recovery.rot).toEqual(first.recovery.rot);
    const { last } = second.recovery;
    second.log.accept(entries(last.index + 1, last.index + 3));
    await second.log.sync(index(0));
    disk.powerLoss(new SeededRandom(4));
    const third = await openLog(disk);
    expect(third.recovery.rot).toBeUndefined();
    expect(third.recovery.last.index).toBe(last.index + 2);
  });

  it('is a missing, a wrong-sized and a wholly lost segment', async () => {
    const harm = {
      missing: (disk: MemoryDisk, path: string) => disk.remove(path),
      short: (disk: MemoryDisk, path: string) => cutAt(disk, path, 700),
      long: (disk: MemoryDisk, path: string) => cutAt(disk, path, 100_000),
      empty: (disk: MemoryDisk, path: string) => cutAt(disk, path, 0),
    };
    for (const [name, damage] of Object.entries(harm)) {
      for (const which of [0, 1, -1]) {
        const disk = new MemoryDisk();
        await (await writeLog(disk, 200)).close();
        const segments = disk.paths().filter((path) => path.endsWith('.seg'));
        await damage(disk, segments.at(which) as string);
        const { log, recovery } = await openLog(disk);
        expect(recovery.rot, `${name} ${which}`).toBeDefined();
        expect(recovery.last.index).toBeLessThan(200);
        expectSame(await readBack(log), entries(1, recovery.last.index + 1));
        await log.close();
        const again = await openLog(disk);
        expect(again.recovery.last).toEqual(recovery.last);
        expect(again.recovery.rot).toEqual(recovery.rot);
        await again.log.close();
      }
    }
  });

  it('is a newest segment that ends before the place where a purge made the log begin', async () => {
    const disk = new MemoryDisk();
    const log = await writeLog(disk, 200);
    const newest = newestSegment(disk);
    // The first groups of the newest segment are dead: a later term has replaced all from before.
    log.accept(entries(150, 156, 2));
    await log.sync(index(150));
    expect(newestSegment(disk)).toBe(newest);
    await log.purge(index(149));
    await log.close();
    const { log: before } = await openLog(disk);
    expect(before.marks.purged.index).toBeGreaterThan(0);
    await before.close();
    await cutAt(disk, newest, 600);
    const { recovery } = await openLog(disk);
    expect(recovery.rot?.from).toBe(before.marks.purged.index + 1);
  });

  it('is a lost sector that later groups call synced, even when the mark was lost', async () => {
    const disk = new MemoryDisk();
    await (await writeLog(disk, 40)).close();
    await eraseMark(disk);
    const path = newestSegment(disk);
    const file = await disk.open(path);
    // Looks like a torn write, but for what stands behind it.
    file.writeNow(1024, new Uint8Array(512));
    await file.sync();
    const { recovery } = await openLog(disk);
    expect(recovery.rot?.from).toBe(recovery.last.index + 1);
    expect(recovery.tornBytes).toBe(0);
  });

  it('is a flip in the last group even when the mark was lost', async () => {
    const disk = new MemoryDisk();
    await (await writeLog(disk, 20)).close();
    await eraseMark(disk);
    const path = newestSegment(disk);
    disk.flipBit(path, contentEnd(disk.contents(path)) - 30, 1);
    const { recovery } = await openLog(disk);
    expect(recovery.rot).toBeDefined();
  });

  // Found by seeds 1796303105 and 1796317136. Where an entry's own zeros fill what the write has of
  // a sector, that sector looks as if it had not been written.
  const places = [
    ["the last record's header", 'HREC', 13],
    ["the last record's payload", 'HREC', 44],
    ["the last group's header", 'HGRP', 16],
  ] as const;

  it.each(places)('is a flip in %s where an entry has zeros of its own', async (_, magic, at) => {
    for (let before = 1; before <= 512; before += 1) {
      for (const zeros of [12, 500, 1100]) {
        const disk = new MemoryDisk();
        const { log } = await openLog(disk);
        log.accept([entry(1, 1, before)]);
        await log.sync(index(0));
        log.accept([{ ...entry(2), payload: entry(2, 1, 16 + zeros).payload.fill(0, 16) }]);
        await log.sync(index(0));
        await log.close();
        await eraseMark(disk);
        const path = newestSegment(disk);
        const begin = Buffer.from(disk.contents(path)).lastIndexOf(magic) - 4;
        disk.flipBit(path, begin + at, 4);
        const { recovery } = await openLog(disk);
        expect([before, zeros, recovery.tornBytes]).toEqual([before, zeros, 0]);
        expect(recovery.rot).toBeDefined();
      }
    }
  });
});

describe('a log that is gone', () => {
  it('is rot from the first entry on where there must be one, until it was synced', async () => {
    const disk = new MemoryDisk();
    const open = async (mustExist: boolean) => {
      const log = new SegmentedLog({ disk: disk.attach() });
      return { log, recovery: await log.open({ mustExist }) };
    };
    const first = await open(true);
    expect(first.recovery.rot).toMatchObject({ from: 1, goal: undefined });
    expect(first.recovery.rot?.reason).toContain('the log is gone');
    disk.processCrash();
    const second = await open(true);
    expect(second.recovery.rot).toMatchObject({ from: 1, goal: undefined });
    second.log.accept([entry(1)]);
    await second.log.sync(index(0));
    await second.log.close();
    expect((await open(true)).recovery.rot).toBeUndefined();
  });

  it('is a new one where there was none', async () => {
    const { recovery } = await openLog(new MemoryDisk());
    expect(recovery).toMatchObject({ rot: undefined, last: { index: 0 } });
  });
});

describe('files of a newer version', () => {
  it('are refused, and left as they are', async () => {
    const disk = new MemoryDisk();
    await (await writeLog(disk, 20)).close();
    const path = newestSegment(disk);
    const bytes = disk.contents(path);
    bytes[8] = 2;
    const { crc32 } = await import('@holdfast/base/crc32');
    new DataView(bytes.buffer).setUint32(0, crc32(bytes.subarray(4, 80)), true);
    await restore(disk, path, bytes);
    const error = await openLog(disk).catch((thrown: unknown) => thrown);
    expect(isHoldfastError(error, 'version-mismatch')).toBe(true);
    expect(disk.contents(path)).toEqual(bytes);
  });
});

async function restore(disk: MemoryDisk, path: string, bytes: Uint8Array): Promise<void> {
  if (!disk.paths().includes(path)) await (await disk.open(path, { create: true })).close();
  const file = await disk.open(path);
  await file.truncate(bytes.length);
  await file.write(0, bytes);
  await file.sync();
  await file.close();
}

/** Takes away every segment behind `path`, and what was set aside. */
async function removeAll(disk: MemoryDisk, path: string): Promise<void> {
  for (const other of disk.paths()) {
    const newer = other.endsWith('.seg') && other > path && !other.includes('damaged');
    if (newer || other.includes('damaged')) await disk.remove(other);
  }
}
