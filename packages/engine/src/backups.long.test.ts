// Goal: a backup holds all that was acknowledged before it and is of one moment, whoever makes it
// and however its reader dawdles; and what a restore makes of it is that state, under ids that
// nobody has had, or nothing. Method: whole members in memory; disks that lose power at every step.
import { toText, utf8 } from '@holdfast/base/bytes';
import { ManualClock } from '@holdfast/base/manual-clock';
import { SeededRandom } from '@holdfast/base/seeded-random';
import { rangeRequest } from '@holdfast/domain/requests';
import { KvStore } from '@holdfast/mvcc/kv-store';
import { newConfiguration } from '@holdfast/raft/configuration';
import { recover } from '@holdfast/replica/recovery';
import { RecoveryPhases } from '@holdfast/replica/recovery-phases';
import { openBackup } from '@holdfast/storage/backup-reader';
import type { Disk } from '@holdfast/storage/disk';
import { IdentityFile } from '@holdfast/storage/identity-file';
import { MemoryDisk } from '@holdfast/storage/memory-disk';
import { PeersFile } from '@holdfast/storage/peers-file';
import { describe, expect, it } from 'vitest';
import { openDataDirectory } from './data-directory.ts';
import {
  actor,
  cleanWorlds,
  type EngineWorld,
  keysOf,
  type TestMachine,
} from './embedded-engine.fixture.ts';
import { type RestoreOptions, refuseUnfinished, restoreDirectory } from './restore-directory.ts';

const worlds = cleanWorlds();
const started = worlds.started.bind(worlds);
const never = new AbortController().signal;
const yieldNow = (): Promise<void> => Promise.resolve();

async function* piecesIn(bytes: Uint8Array, length = 10_000): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += length) yield bytes.subarray(at, at + length);
}

/** The whole file from a member, while time goes on. */
async function backupOf(world: EngineWorld, machine: TestMachine): Promise<Uint8Array> {
  const backup = await world.settle(machine.engine.backups.open(actor, never));
  const parts: Uint8Array[] = [];
  const reading = (async () => {
    for await (const piece of backup.pieces) parts.push(piece);
  })();
  await world.settle(reading);
  await backup.close();
  return new Uint8Array(Buffer.concat(parts));
}

async function loaded(file: Uint8Array): Promise<KvStore> {
  const store = new KvStore({ yieldNow });
  const { head, image } = await openBackup(piecesIn(file));
  await store.restore(head.last, image);
  expect(store.revision).toBe(head.revision);
  expect(store.stateHash).toBe(head.stateHash);
  return store;
}

const valuesOf = (store: KvStore): readonly string[] =>
  store
    .range(rangeRequest(keysOf('k', 'l')))
    .kvs.map(({ key, value }) => `${toText(key)}=${toText(value)}`);

describe('a backup', () => {
  it('holds what was acknowledged before it, from any member, and nothing after', async () => {
    const world = await started(3);
    const machines = [world.leader, ...world.followers];
    for (const [at, machine] of machines.entries()) {
      await world.settle(world.leader.put(`k${at}`, 'before'));
      const opening = machine.engine.backups.open(actor, never);
      const backup = await world.settle(opening);
      await world.settle(world.leader.put(`k${at}`, 'after'));
      const parts: Uint8Array[] = [];
      await world.settle(
        (async () => {
          for await (const piece of backup.pieces) parts.push(piece);
        })(),
      );
      await backup.close();
      const store = await loaded(new Uint8Array(Buffer.concat(parts)));
      expect(valuesOf(store).at(-1)).toBe(`k${at}=before`);
      expect(backup.head.memberId).toBe(machine.id);
      expect(backup.head.last.term).toBe(world.leader.engine.status().term);
    }
  });

  it('is refused without a majority, but for what one member knows', async () => {
    const world = await started(3);
    const [follower] = world.followers as [TestMachine];
    world.isolate(follower);
    await world.clock.advanceAsync(5000);
    await expect(world.settle(follower.engine.backups.open(actor, never))).rejects.toMatchObject({
      code: expect.stringMatching(/^no-/),
    });
    const stale = { ...actor, consistency: { level: 'stale' } } as const;
    const backup = await follower.engine.backups.open(stale, never);
    await backup.close();
    world.rejoin(follower);
  });

  it('that nobody reads on gives memory back, and two are as many as there may be', async () => {
    const world = await started(1, { compactionSettings: { historyRevisionsMax: 100 } });
    const { engine } = world.leader;
    await world.settle(world.leader.put('k', 'v'));
    const [one, two] = [
      await world.settle(engine.backups.open(actor, never)),
      await world.settle(engine.backups.open(actor, never)),
    ];
    await expect(engine.backups.open(actor, never)).rejects.toMatchObject({
      code: 'resource-exhausted',
    });
    await one.pieces.next();
    await one.close();
    await one.close();
    await two.close();
    expect(engine.backups.underWay).toBe(0);
    expect((await one.pieces.next()).done).toBe(true);
    expect((await backupOf(world, world.leader)).length).toBeGreaterThan(100);
  });

  it('ends with its reader, with its time, and when too much waits for it', async () => {
    const bound = { timeoutMs: 60_000, heldBytesMax: 1_000_000 };
    const world = await started(1, {
      backupSettings: bound,
      compactionSettings: { historyRevisionsMax: 10 },
    });
    const { engine } = world.leader;
    for (let at = 0; at < 40; at += 1) await world.settle(world.leader.put(`k${at}`, 'v'));

    const gone = new AbortController();
    const left = await world.settle(engine.backups.open(actor, gone.signal));
    await left.pieces.next();
    gone.abort(new Error('gone'));
    await expect(world.settle(left.pieces.next())).rejects.toThrow('gone');
    await left.close();

    const late = await world.settle(engine.backups.open(actor, never));
    await late.pieces.next();
    await world.clock.advanceAsync(61_000);
    await expect(world.settle(late.pieces.next())).rejects.toMatchObject({
      code: 'deadline-exceeded',
    });
    await late.close();

    const slow = await world.settle(engine.backups.open(actor, never));
    await slow.pieces.next();
    for (let at = 0; at < 60; at += 1) {
      await world.settle(world.leader.put('big', 'x'.repeat(50_000)));
    }
    await world.settle(engine.compact({ revision: engine.store.revision } as never, actor));
    await expect(world.settle(slow.pieces.next())).rejects.toMatchObject({
      code: 'resource-exhausted',
    });
    await slow.close();
    expect(engine.backups.underWay).toBe(0);
    // What waited for it is given back with the next write.
    expect(engine.store.residentBytes).toBeGreaterThan(3_000_000);
    await world.settle(world.leader.put('k', 'v'));
    await world.until(() => engine.store.residentBytes < 2_200_000);
  });
});

describe('a backup under way when the state comes into doubt', () => {
  /** Of one whose state differs from those of the others from now on. */
  async function begun() {
    const settings = { integritySettings: { intervalMs: 2000 } };
    const world = await started(3, settings);
    await world.until(() => world.leader.engine.store.clusterVersion >= 5);
    await world.settle(world.leader.put('k1', 'v'.repeat(100)));
    await world.converge();
    const [victim] = world.followers as [TestMachine];
    const backup = await world.settle(victim.engine.backups.open(actor, never));
    await backup.pieces.next();
    expect(victim.engine.store.spoil(1, utf8('k1'), 9)).toBe(true);
    await world.until(() => victim.engine.integrity.isDoubted);
    return { world, victim, backup };
  }

  it('is broken off, and never ends as a whole one', async () => {
    const { world, backup } = await begun();
    expect(() => backup.requireSound()).toThrow('doubt');
    await expect(world.settle(backup.pieces.next())).rejects.toMatchObject({ code: 'unavailable' });
    await backup.close();
  });

  it('is broken off as well when the doubt has ended before its next piece', async () => {
    const { world, victim, backup } = await begun();
    await world.until(() => !victim.engine.integrity.isDoubted);
    expect(() => backup.requireSound()).toThrow('doubt');
    await expect(world.settle(backup.pieces.next())).rejects.toMatchObject({ code: 'unavailable' });
    await backup.close();
    const fresh = await world.settle(victim.engine.backups.open(actor, never));
    expect(() => fresh.requireSound()).not.toThrow();
    await fresh.close();
  });
});

type Place = Pick<RestoreOptions, 'disk'> & Partial<RestoreOptions>;

const restoreOf = (file: Uint8Array, place: Place, seed = 7) =>
  restoreDirectory({
    random: new SeededRandom(seed),
    clock: new ManualClock(),
    pieces: piecesIn(file),
    name: 'first',
    peerAddress: 'h9:1',
    bumpRevision: 0,
    segmentBytes: 8192,
    signal: never,
    yieldNow,
    onProgress: () => undefined,
    ...place,
  });

/** Starts from the directory as far as the recovery goes. */
async function startedFrom(disk: Disk) {
  await refuseUnfinished(disk);
  const found = await new IdentityFile({ disk }).peek();
  if (!found) throw new Error('nobody lives there');
  const { isNew: _, ...stores } = await openDataDirectory({
    disk,
    random: new SeededRandom(1),
    segmentBytes: 8192,
    ...found,
  });
  const store = new KvStore({ yieldNow });
  const recovered = await recover({
    ...stores,
    stateMachine: store,
    bootstrap: newConfiguration({ voters: [] }),
    phases: new RecoveryPhases(new ManualClock()),
    signal: never,
  });
  for (const one of [stores.log, stores.status, stores.snapshots]) await one.close();
  return { found, store, recovered };
}

async function makeFile(disk: MemoryDisk, name: string): Promise<void> {
  const file = await disk.open(name, { create: true });
  await file.close();
}

async function filled(): Promise<{
  readonly file: Uint8Array;
  readonly values: readonly string[];
}> {
  const world = await started(3);
  for (let at = 0; at < 30; at += 1) await world.settle(world.leader.put(`k${at % 7}`, `v${at}`));
  const file = await backupOf(world, world.leader);
  return { file, values: valuesOf(world.leader.engine.store) };
}

describe('a restore', () => {
  it('is the state of the backup, to its hash, under ids that nobody has had', async () => {
    const { file, values } = await filled();
    const [disk, other] = [new MemoryDisk(), new MemoryDisk()];
    const restored = await restoreOf(file, { disk });
    const again = await restoreOf(file, { disk: other }, 8);
    const { found, store, recovered } = await startedFrom(disk);
    const { head } = restored.backup;
    expect([store.stateHash, store.revision]).toEqual([head.stateHash, head.revision]);
    expect(valuesOf(store)).toEqual(values);
    expect(store.members()).toEqual([]);
    expect(recovered.appliedConfiguration).toEqual(
      newConfiguration({ voters: [restored.memberId] }),
    );
    expect([recovered.applied, recovered.commit]).toEqual([head.last, head.last.index]);
    expect(found).toMatchObject({ name: 'first', clusterId: restored.clusterId });
    expect(new Set([head.clusterId, restored.clusterId, again.clusterId]).size).toBe(3);
    expect(new Set([head.memberId, restored.memberId, again.memberId]).size).toBe(3);
    const peers = await new PeersFile(disk).open();
    expect(peers).toMatchObject({ founders: [], isCandidate: false });
  });

  it('goes on higher where that is asked for, and can be read there', async () => {
    const { file, values } = await filled();
    const disk = new MemoryDisk();
    const { revision, backup } = await restoreOf(file, { disk, bumpRevision: 1_000_000 });
    expect(revision).toBe(backup.head.revision + 1_000_000);
    const { store } = await startedFrom(disk);
    expect([store.revision, store.compactRevision]).toEqual([revision, revision]);
    expect(valuesOf(store)).toEqual(values);
  });

  it('is refused where something stands, and of a damaged backup; nothing is touched', async () => {
    const { file } = await filled();
    const disk = new MemoryDisk();
    await makeFile(disk, 'letter');
    await expect(restoreOf(file, { disk })).rejects.toMatchObject({ code: 'failed-precondition' });
    const bad = file.slice();
    bad[file.length - 100] = (bad[file.length - 100] as number) ^ 1;
    const empty = new MemoryDisk();
    await expect(restoreOf(bad, { disk: empty })).rejects.toMatchObject({ code: 'corrupt' });
    await expect(restoreOf(file.subarray(0, -1), { disk: empty })).rejects.toThrow('cut short');
    expect([await disk.list(''), await empty.list('')]).toEqual([['letter'], []]);
  });

  it('that was broken off is done again, but for nothing that came beside it', async () => {
    const { file, values } = await filled();
    const disk = new MemoryDisk();
    await restoreOf(file, { disk });
    await makeFile(disk, 'restore-unfinished');
    await makeFile(disk, 'letter');
    await expect(restoreOf(file, { disk })).rejects.toThrow('holds something already (letter)');
    expect(await disk.list('')).toContain('letter');
    await disk.remove('letter');
    await restoreOf(file, { disk });
    expect(valuesOf((await startedFrom(disk)).store)).toEqual(values);
  });

  it('is whole or refused after a loss of power at any step, and can be done again', async () => {
    const { file, values } = await filled();
    const whole = new MemoryDisk();
    await restoreOf(file, { disk: whole });
    const steps = whole.operationCount;
    const ends = { empty: 0, refused: 0, whole: 0 };
    for (let step = 1; step <= steps; step += 1) {
      const disk = new MemoryDisk({
        inject: ({ number }) => (number === step ? { kind: 'crash' } : undefined),
      });
      await expect(restoreOf(file, { disk })).rejects.toThrow();
      disk.setFaults(undefined);
      disk.powerLoss(new SeededRandom(step));
      const after = disk.attach();
      const names = await after.list('');
      if (names.length === 0) ends.empty += 1;
      else if (names.includes('restore-unfinished')) {
        ends.refused += 1;
        await expect(refuseUnfinished(after)).rejects.toMatchObject({
          code: 'failed-precondition',
        });
      } else {
        ends.whole += 1;
        expect(valuesOf((await startedFrom(after)).store)).toEqual(values);
        continue;
      }
      await restoreOf(file, { disk: after });
      expect(valuesOf((await startedFrom(after)).store)).toEqual(values);
    }
    expect(ends.empty).toBeGreaterThan(0);
    expect(ends.refused).toBeGreaterThan(30);
  });
});
