// What a sync may write: only what was accepted before it was asked for. Entries of a newer term
// that arrive while it waits (for a purge, for a new segment) are written by the next one, before
// which the status of that term is saved (safety.md 4); else a crash in between is refused at the
// next start.
import { index, term } from '@holdfast/base/ids';
import type { Entry } from '@holdfast/raft/entry';
import { expect, it } from 'vitest';
import { MemoryDisk } from './memory-disk.ts';
import { SegmentedLog } from './segmented-log.ts';

const entry = (at: number, inTerm: number, payloadBytes = 60): Entry => ({
  index: index(at),
  term: term(inTerm),
  kind: 'command',
  payload: new Uint8Array(payloadBytes),
});

async function openLog(disk: MemoryDisk) {
  const log = new SegmentedLog({ disk: disk.attach(), segmentBytes: 4096, groupBytesMax: 1024 });
  return { log, recovery: await log.open() };
}

/** Thirty entries of term 1 are accepted, and not synced. */
async function thirtyEntries(disk: MemoryDisk): Promise<SegmentedLog> {
  const { log } = await openLog(disk);
  for (let at = 1; at <= 30; at += 1) log.accept([entry(at, 1)]);
  return log;
}

it('entries of a newer term that arrive while a sync waits for a purge are left to the next sync', async () => {
  const disk = new MemoryDisk();
  const { log } = await openLog(disk);
  for (let at = 1; at <= 100; at += 1) {
    log.accept([entry(at, 1)]);
    await log.sync(index(at - 1));
  }
  log.accept([entry(101, 1)]);
  const purging = log.purge(index(90));
  const syncing = log.sync(index(100));
  log.accept([entry(102, 2)]);
  await purging;
  expect(await syncing).toEqual({ index: 101, term: 1 });
  expect(await log.sync(index(100))).toEqual({ index: 102, term: 2 });
  await log.close();
});

it('entries of a newer term that arrive while a segment is made are left to the next sync', async () => {
  const disk = new MemoryDisk();
  const log = await thirtyEntries(disk);
  await log.sync(index(0));
  // Needs a segment of its own, which takes a while.
  for (let at = 31; at <= 60; at += 1) log.accept([entry(at, 1, 500)]);
  const syncing = log.sync(index(0));
  log.accept([entry(40, 2)]);
  expect((await syncing).term).toBe(1);
  expect(await log.sync(index(0))).toEqual({ index: 40, term: 2 });
  await log.close();
});

it('a commit index beyond a truncation that is not written yet is no hint for the entries that were there before', async () => {
  const disk = new MemoryDisk();
  const log = await thirtyEntries(disk);
  await log.sync(index(20));
  // Another leader's entries take the place of 21 to 30, and are committed; they need a new
  // segment.
  log.accept([entry(21, 2, 3000), entry(22, 2)]);
  disk.setFaults((operation) => (operation.kind === 'rename' ? { kind: 'crash' } : undefined));
  await log.sync(index(22)).catch(() => undefined);
  disk.setFaults(undefined);
  disk.processCrash();
  const { log: again, recovery } = await openLog(disk);
  expect(recovery.last).toEqual({ index: 30, term: 1 });
  expect(recovery.commitHint).toBe(20);
  await again.close();
});

it('rot in the entries that took the place of others leaves those others, and no hint that they are committed', async () => {
  const disk = new MemoryDisk();
  const log = await thirtyEntries(disk);
  await log.sync(index(20));
  log.accept([entry(21, 2, 3000), entry(22, 2)]);
  await log.sync(index(20));
  log.accept([entry(23, 2)]);
  await log.sync(index(22));
  await log.close();
  const newest = disk.paths().findLast((path) => path.endsWith('.seg')) ?? '';
  disk.flipBit(newest, 1000);
  const { log: again, recovery } = await openLog(disk);
  expect(recovery.rot).toBeDefined();
  expect(recovery.last).toEqual({ index: 30, term: 1 });
  expect(recovery.commitHint).toBe(20);
  await again.close();
  const later = await openLog(disk);
  expect(later.recovery.commitHint).toBe(20);
  await later.log.close();
});
