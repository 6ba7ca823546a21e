// Goal: a check says what a start does, whatever has happened to the directory, and changes
// nothing. Method: the directory of a member that has lived, one random damage each time; the
// check's verdict is compared with a real start on the same bytes.
import { equalBytes } from '@holdfast/base/bytes';
import { isHoldfastError } from '@holdfast/base/errors';
import { index, term } from '@holdfast/base/ids';
import { ManualClock } from '@holdfast/base/manual-clock';
import { SeededRandom } from '@holdfast/base/seeded-random';
import { openDataDirectory } from '@holdfast/engine/data-directory';
import { KvStore } from '@holdfast/mvcc/kv-store';
import { newConfiguration } from '@holdfast/raft/configuration';
import type { StoredSnapshot } from '@holdfast/replica/ports';
import { recover } from '@holdfast/replica/recovery';
import { RecoveryPhases } from '@holdfast/replica/recovery-phases';
import type { MemoryDisk } from '@holdfast/storage/memory-disk';
import { PeersFile } from '@holdfast/storage/peers-file';
import { SegmentedLog } from '@holdfast/storage/segmented-log';
import { beforeAll, describe, expect, it } from 'vitest';

import { checkDirectory, type DirectoryReport } from './directory-check.ts';
import {
  diskOf,
  type Files,
  filesOf,
  livedFiles,
  livedMember,
  makeParents,
} from './member-directory.fixture.ts';

let lived: Files;
beforeAll(async () => {
  lived = await livedFiles();
});

const check = (disk: MemoryDisk, deep = false): Promise<DirectoryReport> =>
  checkDirectory({
    disk: disk.attach(),
    clock: new ManualClock(),
    random: new SeededRandom(1),
    deep,
    signal: new AbortController().signal,
    onRead: () => undefined,
  });

/** What a start makes of the directory, in a word and a few facts. */
async function start(disk: MemoryDisk) {
  const snapshotsBad: string[] = [];
  try {
    const stores = await openDataDirectory({
      disk: disk.attach(),
      random: new SeededRandom(1),
      ...livedMember,
      segmentBytes: 64 * 1024,
      onBadSnapshot: ({ name }) => snapshotsBad.push(name),
    });
    const recovered = await recover({
      ...stores,
      stateMachine: new KvStore({ yieldNow: () => Promise.resolve() }),
      bootstrap: newConfiguration({ voters: [livedMember.memberId] }),
      phases: new RecoveryPhases(new ManualClock()),
      signal: new AbortController().signal,
    });
    await stores.log.close();
    return { refused: undefined, recovered, snapshotsBad };
  } catch (error) {
    if (!isHoldfastError(error)) throw error;
    return { refused: error.message, recovered: undefined, snapshotsBad };
  }
}

/** As a crash in the middle of an install leaves it: the snapshot is there, the log still old. */
async function withShortLog(files: Files): Promise<Files> {
  const disk = await diskOf(files);
  const place = { disk: disk.attach(), directory: 'groups/0/log', segmentBytes: 64 * 1024 };
  const log = new SegmentedLog(place);
  await makeParents(disk, 'groups/0/log/');
  await log.open({ signal: new AbortController().signal });
  await log.reset({ index: index(3), term: term(1) });
  await log.close();
  return filesOf(disk);
}

/** Bytes that somebody wrote: zeros at a file's end are no content. */
const contentLength = (bytes: Uint8Array): number => bytes.findLastIndex((byte) => byte !== 0) + 1;

/** As toEqual, which looks at each byte as a property of its own. */
const isSame = (a: Files, b: Files): boolean =>
  a.size === b.size &&
  [...a].every(([path, bytes]) => equalBytes(bytes, b.get(path) ?? new Uint8Array(0)));

function damaged(files: Files, seed: number): { files: Files; path: string; kind: string } {
  const random = new SeededRandom(seed);
  // What the reserve holds is of no matter.
  const paths = [...files.keys()].filter((one) => !one.endsWith('/reserve'));
  const path = paths[random.integer(0, paths.length)] as string;
  const bytes = (files.get(path) as Uint8Array).slice();
  const kind = ['flip', 'cut', 'remove'][random.integer(0, 3)] as string;
  const at = random.integer(0, contentLength(bytes));
  const changed = new Map(files);
  if (kind === 'remove') changed.delete(path);
  else if (kind === 'cut') changed.set(path, bytes.slice(0, at));
  else {
    const written = bytes.findLastIndex((byte, place) => place <= at && byte !== 0);
    bytes[written] = (bytes[written] as number) ^ (1 << random.integer(0, 8));
    changed.set(path, bytes);
  }
  return { files: changed, path, kind };
}

describe('a check of a data directory', () => {
  it('finds nothing wrong where nothing is, and its deep one replays to the same state', async () => {
    const disk = await diskOf(lived);
    const report = await check(disk, true);
    expect(report.findings).toEqual([]);
    expect(report.verdict).toBe('sound');
    expect(report.chain.length).toBe(5);
    expect(report.chain.every(({ holds }) => holds)).toBe(true);
    expect(report.snapshots.length).toBe(2);
    expect(report.rehearsal.identity).toMatchObject({ name: 'n1', bootEpoch: 1 });
    // The last write's commit is not hinted at by any sync: a start learns it from the others.
    expect(report.rehearsal.state?.appliedIndex).toBe(report.log?.commit);
    expect(report.rehearsal.state?.keys).toBeGreaterThan(55);
    const again = await check(disk, true);
    expect(again.rehearsal.state?.stateHash).toBe(report.rehearsal.state?.stateHash);
  });

  it('agrees with the start about any damage, and leaves every byte as it was', async () => {
    const seen = new Set<string>();
    for (let seed = 1; seed <= 80; seed += 1) {
      const { files, path, kind } = damaged(lived, seed);
      const told = `seed ${seed}: ${kind} of ${path}`;
      const disk = await diskOf(files);
      const report = await check(disk);
      expect(isSame(await filesOf(disk), files), told).toBe(true);
      const { refused, recovered, snapshotsBad } = await start(disk);
      seen.add(report.verdict);
      expect(report.verdict === 'unusable', told).toBe(refused !== undefined);
      if (refused !== undefined) {
        expect(report.findings.map(({ what }) => what)).toContain(refused);
        continue;
      }
      const isHealthy = !recovered?.state.repairing && !recovered?.statusLost;
      if (report.verdict === 'sound') {
        expect({ isHealthy, snapshotsBad }, told).toEqual({ isHealthy: true, snapshotsBad: [] });
      }
      const torn = report.findings.some(({ what }) => what.startsWith('an unfinished write'));
      expect((recovered?.findings.tornBytes ?? 0) > 0, told).toBe(torn);
      if (kind === 'flip') expect(report.findings, told).not.toEqual([]);
    }
    expect([...seen].sort()).toEqual(['damaged', 'sound', 'unusable']);
  });

  it('breaks no chain where a snapshot from a peer has put the log behind the older one', async () => {
    const disk = await diskOf(lived);
    const stores = await openDataDirectory({
      disk: disk.attach(),
      random: new SeededRandom(1),
      ...livedMember,
      segmentBytes: 64 * 1024,
    });
    const { signal } = new AbortController();
    const [newest, older] = await stores.snapshots.open();
    await stores.log.open({ signal });
    await stores.log.reset((newest as StoredSnapshot).last);
    await stores.log.close();
    const report = await check(disk);
    expect(report.verdict).toBe('sound');
    expect(report.log?.purged).toBeGreaterThan(older?.last.index as number);
    expect(report.chain.filter(({ holds }) => !holds)).toEqual([]);
    expect((await start(disk)).recovered?.state.repairing).toBeUndefined();
  });

  it('says of a log that ends before the snapshot what a start makes of it', async () => {
    const files = new Map([...lived].filter(([path]) => !path.startsWith('groups/0/log/')));
    const report = await check(await diskOf(await withShortLog(files)));
    expect(report.verdict).toBe('sound');
    expect(report.chain.filter(({ holds }) => !holds)).toMatchObject([
      { left: 'newest snapshot', right: 'last entry' },
    ]);
    expect(report.findings).toMatchObject([{ severity: 'note', file: 'groups/0/log' }]);
  });

  it('says of a list of peers that cannot be read that a start is refused', async () => {
    const disk = await diskOf(lived);
    const peers = new PeersFile(disk);
    await peers.open();
    await peers.save({ founders: [livedMember.memberId], members: [], isCandidate: false });
    await peers.close();
    expect((await check(disk)).verdict).toBe('sound');
    const rotten = new Map(await filesOf(disk)).set('peers', new Uint8Array(8192).fill(1));
    const { verdict, findings } = await check(await diskOf(rotten));
    expect(verdict).toBe('unusable');
    expect(findings.map(({ file, severity }) => [file, severity])).toEqual([
      ['peers', 'damage'],
      ['peers', 'damage'],
      ['.', 'fatal'],
    ]);
    expect(findings[2]?.what).toContain('remove the file `peers`');
  });

  it('says of what a restore has left in part that nobody can live there', async () => {
    const files = new Map(lived).set('restore-unfinished', new Uint8Array(0));
    const { verdict, findings } = await check(await diskOf(files));
    expect(verdict).toBe('unusable');
    expect(findings[0]?.what).toContain('was broken off');
  });

  it('says of an empty directory that nobody has lived there', async () => {
    const report = await check(await diskOf(new Map()));
    expect(report.verdict).toBe('sound');
    expect(report.findings).toMatchObject([{ severity: 'note', file: 'identity' }]);
  });
});
