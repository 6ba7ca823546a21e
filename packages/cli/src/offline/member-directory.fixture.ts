// For tests of the offline tools: the directory of a member that has lived, as files in memory: a
// snapshot or two, a log of several entries behind, all written by the engine itself.
import { setTimeout } from 'node:timers/promises';

import { utf8 } from '@holdfast/base/bytes';
import { clusterId, memberId } from '@holdfast/base/ids';
import { SeededRandom } from '@holdfast/base/seeded-random';
import { SystemClock } from '@holdfast/base/system-clock';
import { groupsVersion } from '@holdfast/engine/cluster-version';
import { openDataDirectory } from '@holdfast/engine/data-directory';
import { EmbeddedEngine } from '@holdfast/engine/embedded-engine';
import { newConfiguration } from '@holdfast/raft/configuration';
import { MemoryPeers } from '@holdfast/replica/memory-peers';
import type { Disk } from '@holdfast/storage/disk';
import { MemoryDisk } from '@holdfast/storage/memory-disk';

export type Files = ReadonlyMap<string, Uint8Array>;

const id = memberId(1n);
export const livedMember = { clusterId: clusterId(7n), memberId: id, name: 'n1' };

/** Two snapshots, at about entries 20 and 40, and some 20 entries behind the newer one. */
export async function livedFiles(): Promise<Files> {
  const [files] = await livedUntil([60]);
  return files as Files;
}

/** The files of one life at these counts of writes; it takes a snapshot after 20, and after 40. */
export async function livedUntil(
  counts: readonly number[],
  writeUntil = writeSingly,
): Promise<readonly Files[]> {
  const disk = new MemoryDisk();
  const found: Files[] = [];
  for (const [turn, count] of counts.entries()) {
    const engine = await startOn(disk);
    await writeUntil(engine, counts[turn - 1] ?? 0, count);
    await engine.close();
    found.push(await filesOf(disk));
  }
  return found;
}

async function writeSingly(engine: EmbeddedEngine, from: number, to: number): Promise<void> {
  for (let at = from; at < to; at += 1) {
    await put(engine, at);
    if (at === 20 || at === 40) await engine.replica.takeSnapshot();
  }
}

/**
 * In one turn, so that they share an entry; the third of them hangs on a lease that there is not.
 */
export async function writeAtOnce(engine: EmbeddedEngine, from: number, to: number): Promise<void> {
  while (engine.store.clusterVersion < groupsVersion) await setTimeout(5);
  const puts = Array.from({ length: to - from }, (_, at) => put(engine, from + at, at === 2));
  await Promise.allSettled(puts);
}

function put(engine: EmbeddedEngine, at: number, isRefused = false) {
  const lease = isRefused ? 99n : 0n;
  const [key, value] = [utf8(`key-${at}`), utf8('v'.repeat(200))];
  return engine.put({ ...noOptions, key, value, lease }, { actor: 'tester' });
}

const noOptions = {
  keyspace: 1,
  lease: 0n,
  prevKv: false,
  ignoreValue: false,
  ignoreLease: false,
};

async function startOn(disk: MemoryDisk): Promise<EmbeddedEngine> {
  const clock = new SystemClock();
  const random = new SeededRandom(1);
  const peers = new MemoryPeers({ clock, latencyMs: 0 });
  const directory = { disk: disk.attach(), random, ...livedMember, segmentBytes: 64 * 1024 };
  const { isNew: _, ...stores } = await openDataDirectory(directory);
  const engine = new EmbeddedEngine({
    ...stores,
    name: 'n1',
    version: '0',
    peerAddresses: ['h1:1'],
    clientAddresses: ['h1:2'],
    initialMembers: [{ memberId: id, name: 'n1', peerAddress: 'h1:1' }],
    bootstrap: newConfiguration({ voters: [id] }),
    clock,
    random,
    nextTurn: (action) => void setImmediate(action),
    transport: peers.transport(id, stores.identity.bootEpoch),
    raftSettings: { heartbeatMs: 5, electionMinMs: 20, electionMaxMs: 40 },
    replicaSettings: { snapshotIntervalMinMs: 0 },
    onFatal: (error) => {
      throw error;
    },
  });
  await engine.start();
  return engine;
}

export async function filesOf(disk: MemoryDisk): Promise<Files> {
  const files = new Map<string, Uint8Array>();
  for (const path of disk.paths()) {
    const file = await disk.open(path);
    files.set(path, (await file.read(0, await file.size())).slice());
    await file.close();
  }
  return files;
}

export async function diskOf(files: Files): Promise<MemoryDisk> {
  const disk = new MemoryDisk();
  for (const [path, bytes] of files) {
    await makeParents(disk, path);
    const file = await disk.open(path, { create: true });
    await file.write(0, bytes);
    await file.sync();
    await file.close();
  }
  return disk;
}

export async function makeParents(disk: Disk, path: string): Promise<void> {
  const parts = path.split('/').slice(0, -1);
  for (let count = 1; count <= parts.length; count += 1) {
    await disk.makeDirectory(parts.slice(0, count).join('/'));
  }
}
