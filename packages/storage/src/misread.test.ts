// Goal: a disk that answers one read wrongly costs nothing: what is rot is read twice. Method: a
// directory of status, log and snapshot is opened again and again, and in each turn another one of
// the reads brings the bytes of another place.
import { index, memberId, term } from '@holdfast/base/ids';
import { newConfiguration } from '@holdfast/raft/configuration';
import type { Entry } from '@holdfast/raft/entry';
import { describe, expect, it } from 'vitest';
import { MemoryDisk } from './memory-disk.ts';
import { SegmentedLog } from './segmented-log.ts';
import { SnapshotFiles } from './snapshot-files.ts';
import { StatusFile } from './status-file.ts';

const configuration = newConfiguration({ voters: [memberId(1n)] });
const last = { index: index(30), term: term(2) };

const entries = (lo: number, hi: number, inTerm: number): Entry[] =>
  Array.from({ length: hi - lo }, (_, n) => ({
    index: index(lo + n),
    term: term(inTerm),
    kind: 'command',
    payload: new Uint8Array(80).fill(lo + n),
  }));

const storesOn = (disk: MemoryDisk) => {
  const own = disk.attach();
  return {
    log: new SegmentedLog({ disk: own, segmentBytes: 4096, groupBytesMax: 1024 }),
    status: new StatusFile({ disk: own }),
    snapshots: new SnapshotFiles({ disk: own, directory: 'snapshots' }),
  };
};

/** As a member leaves it that was killed; a part of the log was replaced by another term's. */
async function killed(): Promise<MemoryDisk> {
  const disk = new MemoryDisk();
  const { log, status, snapshots } = storesOn(disk);
  await status.open();
  for (const vote of [1n, 2n, 3n]) {
    const state = { term: term(2), vote: memberId(vote), repairing: undefined };
    await status.save({ state, installing: false });
  }
  await log.open();
  for (let at = 1; at < 40; at += 6) {
    log.accept(entries(at, at + 6, 1));
    await log.sync(index(0));
  }
  log.accept(entries(25, 70, 2));
  await log.sync(index(20));
  await snapshots.open();
  const writer = await snapshots.create({ last, configuration }, 5n);
  for (let block = 0; block < 4; block += 1)
    await writer.write(new Uint8Array(200_000).fill(block));
  await writer.commit();
  disk.processCrash();
  return disk;
}

async function read(disk: MemoryDisk): Promise<unknown> {
  const { log, status, snapshots } = storesOn(disk);
  const found = await status.open();
  const images = await snapshots.open();
  let bytes = 0;
  for (const image of images)
    for await (const chunk of snapshots.read(image)) bytes += chunk.length;
  const { rot, last, tornBytes } = await log.open();
  const replayed = await log.read(index(1), index(last.index + 1), 1e6);
  const files = { found, images: images.length, bad: snapshots.bad.length, bytes };
  disk.processCrash();
  return { ...files, rot, last, tornBytes, replayed };
}

/** The newest segment is damaged in its first group, and much that was synced stands behind it. */
async function rotten(): Promise<MemoryDisk> {
  const disk = await killed();
  const newest = disk.paths().findLast((path) => path.endsWith('.seg')) ?? '';
  disk.flipBit(newest, 512 + 20, 3);
  // What knew of more was not synced when the power went.
  const mark = await disk.open('log/mark');
  await mark.write(0, new Uint8Array(1024));
  await mark.sync();
  await mark.close();
  return disk;
}

describe('one read that is answered wrongly', () => {
  it.each([-1024, -64, 512, 4096, 3_000_000])(
    'by %i bytes costs nothing at a start',
    async (byBytes) => {
      const sound = await read(await killed());
      const disk = await killed();
      let reads = Number.POSITIVE_INFINITY;
      for (let wrong = 0; wrong <= reads; wrong += 1) {
        let count = 0;
        disk.setFaults(({ kind }) => {
          if (kind !== 'read') return undefined;
          count += 1;
          return count - 1 === wrong ? { kind: 'misdirect', byBytes } : undefined;
        });
        expect(await read(disk), `read ${wrong}`).toEqual(sound);
        reads = count;
      }
      expect(reads).toBeGreaterThan(15);
    },
  );

  it.each([-1024, -64, 512, 4096, 3_000_000])(
    'by %i bytes makes no rot into the end of the log',
    async (byBytes) => {
      const { log } = storesOn(await rotten());
      const { rot, last } = await log.open();
      expect(rot).toBeDefined();
      let reads = Number.POSITIVE_INFINITY;
      for (let wrong = 0; wrong <= reads; wrong += 1) {
        const disk = await rotten();
        let count = 0;
        disk.setFaults(({ kind }) => {
          if (kind !== 'read') return undefined;
          count += 1;
          return count - 1 === wrong ? { kind: 'misdirect', byBytes } : undefined;
        });
        const found = await storesOn(disk).log.open();
        expect(found.rot, `read ${wrong}`).toEqual(rot);
        expect(found.last, `read ${wrong}`).toEqual(last);
        reads = count;
      }
    },
  );
});
