// Goal: full, hung and slow disks (safety.md 9): reads always, what makes room always, the rest
// refused with its reason and taken again when there is room; leadership where the disks are well.
// Method: whole members over disks in memory, which are filled up, held up and slowed down.
import { utf8 } from '@holdfast/base/bytes';
import { revision } from '@holdfast/base/ids';
import { deleteRangeRequest, putRequest } from '@holdfast/domain/requests';
import { MemoryDisk } from '@holdfast/storage/memory-disk';
import { describe, expect, it } from 'vitest';
import {
  actor,
  cleanWorlds,
  type EngineWorld,
  keysOf,
  type TestMachine,
} from './embedded-engine.fixture.ts';

const worlds = cleanWorlds();

const kibibyte = 1024;
const value = 'x'.repeat(8 * kibibyte);

/** Nobody can grow a file any more. */
const fillUp = ({ disk }: TestMachine): void => disk.setCapacity(disk.usedBytes);
const makeRoom = ({ disk }: TestMachine): void => disk.setCapacity(undefined);

/** Writes until one is refused; answers how many went through, and what the refusal says. */
async function writeUntilRefused(world: EngineWorld, by: TestMachine, prefix: string) {
  for (let count = 0; count < 1000; count += 1) {
    try {
      await world.settle(by.put(`${prefix}${count}`, value));
    } catch (error) {
      return { count, error };
    }
  }
  throw new Error('nothing was refused');
}

const remove = (by: TestMachine, key: string) =>
  by.engine.deleteRange(deleteRangeRequest(keysOf(key)), actor);

/** Each has its reserve. */
async function settled(size: number): Promise<EngineWorld> {
  const world = await worlds.started(size);
  await world.clock.advanceAsync(2000);
  for (const { disk } of world.machines) {
    expect(disk.contents('groups/0/reserve').length).toBe(256 * kibibyte);
  }
  return world;
}

describe('full disks', () => {
  it('on all: reads, deletes and compaction go on, and writes when there is room', async () => {
    const world = await settled(3);
    const writer = world.followers[0] as TestMachine;
    await world.settle(writer.put('a', 'old'));
    for (const machine of world.machines) fillUp(machine);
    const { count, error } = await writeUntilRefused(world, writer, 'k');
    expect(error).toMatchObject({ code: 'disk-full', outcome: 'not-applied' });
    expect(String(error)).toContain('deletes and compaction go on');
    const { term } = (await world.settle(writer.get('a'))).header;
    // Far more than the reserve would bear if nothing made room.
    for (let at = 0; at < count; at += 1) await world.settle(remove(writer, `k${at}`));
    expect((await world.settle(writer.get('a'))).body).toBe('old');
    const now = world.leader.engine.store.revision;
    await world.settle(writer.engine.compact({ revision: now }, actor));
    await expect(world.settle(writer.put('b', 'new'))).rejects.toMatchObject({ code: 'disk-full' });
    for (const { engine } of world.machines) {
      const { disk, ready, limits } = engine.status();
      expect({ disk, ready }).toEqual({ disk: 'low', ready: true });
      expect(limits.join()).toContain('full but for its reserve');
    }
    expect((await world.settle(writer.get('a'))).header.term).toBe(term);
    for (const machine of world.machines) makeRoom(machine);
    const fromMs = world.clock.monotonicMs();
    await world.until(() => world.machines.every(({ engine }) => engine.status().disk === 'well'));
    await world.clock.advanceAsync(300);
    await world.settle(writer.put('b', 'new'));
    expect(world.clock.monotonicMs() - fromMs).toBeLessThan(5000);
    await world.converge();
    expect(now).toBeGreaterThan(revision(1));
  });

  it('on the leader: it hands over, and no write is refused', async () => {
    const world = await settled(3);
    const full = world.leader;
    const writer = world.followers[0] as TestMachine;
    fillUp(full);
    for (let at = 0; at < 100; at += 1) await world.settle(writer.put(`k${at}`, value));
    expect(world.leader).not.toBe(full);
    expect(full.engine.status().disk).not.toBe('well');
    makeRoom(full);
    await world.converge();
  });

  it('on the leader: it hands over to nobody whose state is in doubt', async () => {
    const world = await worlds.started(3, {
      integritySettings: { intervalMs: 1000, partsMax: 0 },
    });
    await world.until(() => world.leader.engine.store.clusterVersion >= 5);
    const full = world.leader;
    const [first, second] = world.followers as [TestMachine, TestMachine];
    for (let at = 0; at < 10; at += 1) await world.settle(first.put(`k${at}`, 'x'));
    // Of two that have the same log, the first would be named.
    expect(first.engine.store.spoil(1, utf8('k1'), 3)).toBe(true);
    await world.until(() => first.engine.integrity.isDoubted);
    fillUp(full);
    const { error } = await writeUntilRefused(world, second, 'w').catch(() => ({
      error: undefined,
    }));
    expect(error).toBeUndefined();
    expect(world.leader).toBe(second);
    const roles = first.events.flatMap((event) => (event.type === 'role' ? [event.role] : []));
    expect(roles).not.toContain('leader');
    makeRoom(full);
    await world.converge();
  });

  it('on a majority: nothing is added, whoever leads, and what makes room is taken', async () => {
    const world = await settled(3);
    const well = world.leader;
    for (const machine of world.followers) fillUp(machine);
    const { error } = await writeUntilRefused(world, well, 'k');
    expect(error).toMatchObject({ code: 'disk-full' });
    expect(world.leader).toBe(well);
    await world.settle(remove(well, 'k0'));
    const grant = well.engine.leaseGrant({ ttlMs: 60_000 }, actor);
    await expect(world.settle(grant)).rejects.toMatchObject({ code: 'disk-full' });
    for (const machine of world.machines) makeRoom(machine);
    await world.converge();
  });

  it('where even the reserve is gone, a leader stays, and linearizable reads go on', async () => {
    const world = await settled(3);
    const reader = world.followers[0] as TestMachine;
    await world.settle(reader.put('a', 'old'));
    const { term } = (await world.settle(reader.get('a'))).header;
    const noRoom = { kind: 'error', code: 'ENOSPC' } as const;
    for (const { disk } of world.machines) {
      disk.setFaults(({ kind, path }) =>
        kind === 'write' && path.includes('/log/') ? noRoom : undefined,
      );
    }
    await world.settle(reader.put('b', 'x'), 10_000).catch(() => undefined);
    await world.clock.advanceAsync(3000);
    const answer = await world.settle(reader.get('a'));
    expect([answer.body, answer.header.term]).toEqual(['old', term]);
    await expect(world.settle(remove(reader, 'a'))).rejects.toMatchObject({ code: 'disk-full' });
    for (const { disk } of world.machines) disk.setFaults(undefined);
    await world.clock.advanceAsync(3000);
    await world.settle(reader.put('b', 'y'));
    await world.converge();
  });

  it('a write in a session that was applied before is told so, full or not', async () => {
    const world = await settled(1);
    const only = world.leader;
    const { id } = (await world.settle(only.engine.sessionRegister({ ttlMs: 60_000 }, actor))).body;
    const session = { id, sequence: 1n, lowestPending: 1n };
    const request = putRequest(keysOf('a'), utf8('1'));
    const first = await world.settle(only.engine.put(request, { ...actor, session }));
    fillUp(only);
    await writeUntilRefused(world, only, 'k');
    const again = await world.settle(only.engine.put(request, { ...actor, session }));
    expect(again.header.revision).toBe(first.header.revision);
    const next = { ...actor, session: { ...session, sequence: 2n } };
    await expect(world.settle(only.engine.put(request, next))).rejects.toMatchObject({
      code: 'disk-full',
      outcome: 'unknown',
    });
    makeRoom(only);
  });
});

/** Members whose syncs take as long as the test says. */
async function slowable(size: number) {
  const world = worlds.make(size);
  const syncMs = new Map<TestMachine, number>();
  for (const machine of world.machines) {
    machine.disk = new MemoryDisk({
      clock: world.clock,
      latencyMs: ({ kind }) => (kind === 'sync' ? (syncMs.get(machine) ?? 0) : 0),
    });
  }
  await world.start();
  return { world, syncMs };
}

async function writeFor(world: EngineWorld, by: TestMachine, ms: number): Promise<number> {
  const endMs = world.clock.monotonicMs() + ms;
  let longestMs = 0;
  while (world.clock.monotonicMs() < endMs) {
    const fromMs = world.clock.monotonicMs();
    await world.settle(by.put('k', `${fromMs}`));
    longestMs = Math.max(longestMs, world.clock.monotonicMs() - fromMs);
    await world.clock.advanceAsync(20);
  }
  return longestMs;
}

describe('disks that do not answer in time', () => {
  it('a hung one under the leader: another leads within 5 s, and no write waits so long', async () => {
    const { world, syncMs } = await slowable(3);
    const hung = world.leader;
    const writer = world.followers[0] as TestMachine;
    syncMs.set(hung, 60_000);
    const fromMs = world.clock.monotonicMs();
    const writing = writeFor(world, writer, 6000);
    let movedMs = 0;
    await world.until(() => world.maybeLeader !== undefined && world.maybeLeader !== hung, 5000);
    movedMs = world.clock.monotonicMs() - fromMs;
    expect(await writing).toBeLessThan(1000);
    expect(movedMs).toBeLessThan(5000);
    expect(world.leader).not.toBe(hung);
    syncMs.delete(hung);
    await world.clock.advanceAsync(60_000);
    await world.converge();
  });

  it('hung ones under a majority: the leader stays, and reads go on', async () => {
    const { world, syncMs } = await slowable(3);
    const { leader } = world;
    const [other] = world.followers as [TestMachine, TestMachine];
    await world.settle(leader.put('a', '1'));
    const { term } = leader.engine.status();
    for (const machine of [leader, other]) syncMs.set(machine, 60_000);
    leader.put('b', '2').catch(() => undefined);
    for (let looks = 0; looks < 20; looks += 1) {
      await world.clock.advanceAsync(500);
      expect((await world.settle(leader.get('a'), 1000)).body).toBe('1');
    }
    expect(world.leader.engine.status().term).toBe(term);
    syncMs.clear();
    await world.clock.advanceAsync(60_000);
    await world.converge();
  });

  it('a slow one under the leader: another leads within 5 s', async () => {
    const { world, syncMs } = await slowable(3);
    const slow = world.leader;
    const writer = world.followers[0] as TestMachine;
    syncMs.set(slow, 700);
    const writing = writeFor(world, writer, 6000);
    await world.until(() => world.maybeLeader !== undefined && world.maybeLeader !== slow, 5000);
    await writing;
    await world.converge();
  });

  it('a slow one under the leader, then hung ones under a majority: the leader stays, and reads go on', async () => {
    const { world, syncMs } = await slowable(3);
    const { leader } = world;
    const [other] = world.followers as [TestMachine, TestMachine];
    const { term } = leader.engine.status();
    syncMs.set(leader, 700);
    await writeFor(world, other, 1800);
    expect(world.leader).toBe(leader);
    for (const machine of [leader, other]) syncMs.set(machine, 60_000);
    leader.put('a', '1').catch(() => undefined);
    for (let looks = 0; looks < 20; looks += 1) {
      await world.clock.advanceAsync(500);
      await world.settle(leader.get('k'), 1000);
    }
    expect(world.leader.engine.status().term).toBe(term);
    syncMs.clear();
    await world.clock.advanceAsync(60_000);
    await world.converge();
  });

  it('slow ones everywhere: leadership is not passed around', async () => {
    const { world, syncMs } = await slowable(3);
    const { leader } = world;
    for (const machine of world.machines) syncMs.set(machine, 700);
    const { term } = leader.engine.status();
    await writeFor(world, leader, 30_000);
    expect(world.leader.engine.status().term).toBe(term);
  });
});
