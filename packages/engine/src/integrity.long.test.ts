// Goal: a bit that turns in the memory of one member is named by a majority, served to nobody from
// then on, and mended from another member without a hand, whoever it is; a majority that is missing
// is told of and nothing is changed; and nobody is blamed who only lags, starts or was sent a
// snapshot (safety.md 10, B-19, D-20). Method: whole members over memory disks, one bit turned past
// everything that watches over changes.
import { utf8 } from '@holdfast/base/bytes';
import { HoldfastError } from '@holdfast/base/errors';
import { QuarantineFile } from '@holdfast/storage/quarantine-file';
import { describe, expect, it } from 'vitest';
import {
  actor,
  cleanWorlds,
  type EngineWorld,
  keysOf,
  type TestEngineOptions,
  type TestMachine,
  Watched,
} from './embedded-engine.fixture.ts';

const worlds = cleanWorlds();

const settings: TestEngineOptions = { integritySettings: { intervalMs: 2000 } };

async function filled(count: number, options: TestEngineOptions = settings): Promise<EngineWorld> {
  const world = await worlds.started(3, options);
  await world.until(() => world.leader.engine.store.clusterVersion >= 5);
  for (let at = 0; at < count; at += 1) await world.settle(world.leader.put(`k${at}`, `v${at}`));
  await world.converge();
  return world;
}

const spoil = (machine: TestMachine, key = 'k1', bit = 9): void =>
  expect(machine.engine.store.spoil(1, utf8(key), bit), 'there is a bit to turn').toBe(true);

const statusOf = ({ engine }: TestMachine) => engine.integrity.status;
const quarantineOf = (machine: TestMachine) => statusOf(machine).quarantine;
const named = (machine: TestMachine) =>
  machine.integrity.flatMap((event) => (event.type === 'state-odd' ? [event] : []));
const decided = (world: EngineWorld): number =>
  Math.min(...world.living.map((machine) => statusOf(machine).checksDecided));

/** What says that a state is doubted cannot be kept. */
const refuseDoubts = ({ disk }: TestMachine, code: 'EIO' | 'ENOSPC'): void =>
  disk.setFaults(({ path }) => (path.includes('quarantine') ? { kind: 'error', code } : undefined));

/** Checks that find all equal come and go. */
async function compared(world: EngineWorld, times = 2): Promise<void> {
  const before = decided(world);
  await world.until(() => decided(world) >= before + times);
}

const valueAt = async (world: EngineWorld, machine: TestMachine, key = 'k1') =>
  (await world.settle(machine.get(key, { consistency: { level: 'stale' } }))).body;

describe('a comparison of states', () => {
  it('finds members equal that wrote, compacted, lagged, restarted and were sent a snapshot', async () => {
    const world = await filled(40, {
      ...settings,
      replicaSettings: { snapshotEntriesMax: 20, snapshotIntervalMinMs: 0 },
      segmentBytes: 4096,
    });
    const [lagging, restarted] = world.followers as [TestMachine, TestMachine];
    world.isolate(lagging);
    for (let at = 0; at < 60; at += 1) await world.settle(world.leader.put(`n${at}`, 'x'));
    await world.settle(
      world.leader.engine.compact({ revision: world.leader.engine.store.revision - 5 }, actor),
    );
    await world.clock.advanceAsync(5000);
    world.rejoin(lagging);
    await world.converge();
    await restarted.restart();
    await world.until(() => restarted.engine.status().ready);
    await compared(world);
    for (const machine of world.machines) {
      expect(named(machine)).toEqual([]);
      expect(quarantineOf(machine)).toBeUndefined();
    }
  });

  it.each(['follower', 'leader'] as const)(
    'names a %s with a turned bit, and mends it',
    async (who) => {
      const world = await filled(30);
      await compared(world, 1);
      const victim = who === 'leader' ? world.leader : (world.followers[0] as TestMachine);
      const watched = new Watched(
        await world.settle(victim.engine.watch({ ...keysOf('w') }, actor)),
      );
      spoil(victim);
      expect(await valueAt(world, victim), 'the turned bit shows').not.toBe('v1');
      await world.until(() => quarantineOf(victim) !== undefined);
      const { own, sound, partsDiffering } = quarantineOf(victim) as NonNullable<
        ReturnType<typeof quarantineOf>
      >;
      expect(own.stateHash, 'the rolling hash has seen nothing').toBe(sound.stateHash);
      expect(own.contentHash).not.toBe(sound.contentHash);
      expect(partsDiffering).toBe(1);
      await expect(
        world.settle(victim.get('k1', { consistency: { level: 'stale' } })),
      ).rejects.toThrow(/in quarantine/);
      expect(victim.engine.status().notReadyReason).toMatch(/quarantine.*entry \d+/);
      await world.until(() => watched.isOver);
      expect(watched.error).toBeInstanceOf(HoldfastError);
      // Others go on, and lead.
      await world.until(() => world.maybeLeader !== undefined && world.maybeLeader !== victim);
      await world.settle(world.leader.put('meanwhile', 'yes'));
      await world.until(() => quarantineOf(victim) === undefined);
      expect(await valueAt(world, victim)).toBe('v1');
      expect(await valueAt(world, victim, 'meanwhile')).toBe('yes');
      for (const machine of world.machines) {
        expect(new Set(named(machine).map(({ member }) => member))).toEqual(new Set([victim.id]));
      }
      await compared(world);
      await world.until(() => world.living.every(({ engine }) => engine.status().ready));
    },
  );

  it('keeps a quarantine over a restart, and uses none of its own snapshots for good', async () => {
    const options = { replicaSettings: { snapshotEntriesMax: 20, snapshotIntervalMinMs: 0 } };
    const world = await filled(30, { ...settings, ...options });
    const [victim] = world.followers as [TestMachine];
    spoil(victim);
    for (let at = 0; at < 30; at += 1) await world.settle(world.leader.put(`m${at}`, 'x'));
    await world.until(() => victim.engine.status().snapshotIndex > 30);
    await world.until(() => quarantineOf(victim) !== undefined);
    // It is cut off and dies before anybody has sent it another state: its own snapshots hold the
    // turned bit.
    world.isolate(victim);
    await world.clock.advanceAsync(50);
    await victim.restart();
    await world.clock.advanceAsync(500);
    expect(quarantineOf(victim)).toMatchObject({ isReplaced: false });
    await expect(
      world.settle(victim.get('k1', { consistency: { level: 'stale' } })),
    ).rejects.toThrow(/in quarantine/);
    const ownSnapshot = victim.engine.status().snapshotIndex;
    world.rejoin(victim);
    await world.until(() => quarantineOf(victim) === undefined);
    expect(victim.engine.status().snapshotIndex).toBeGreaterThan(ownSnapshot);
    expect(victim.disk.paths().filter((path) => path.endsWith('.snap'))).toHaveLength(1);
    await victim.restart();
    await world.until(() => victim.engine.status().ready);
    expect(await valueAt(world, victim)).toBe('v1');
  });

  it('mends while writes go on without a pause', async () => {
    const world = await filled(30);
    const [victim] = world.followers as [TestMachine];
    spoil(victim);
    let writes = 0;
    const writer = { isOn: true };
    const writing = (async () => {
      while (writer.isOn) {
        await world.leader.put(`w${writes % 50}`, `${writes}`);
        writes += 1;
      }
    })();
    await world.until(() => named(victim).length > 0);
    await world.until(() => quarantineOf(victim) === undefined);
    writer.isOn = false;
    await world.settle(writing);
    await world.converge();
    await compared(world, 1);
    expect(await valueAt(world, victim)).toBe('v1');
    expect(writes).toBeGreaterThan(50);
  });

  it('decides nothing without a majority: all are told, and nothing is changed', async () => {
    const world = await filled(20);
    const [away, victim] = world.followers as [TestMachine, TestMachine];
    await away.kill();
    spoil(victim);
    const told = (machine: TestMachine): boolean =>
      machine.integrity.some(({ type }) => type === 'states-differ');
    await world.until(() => world.living.every(told));
    await world.clock.advanceAsync(5000);
    for (const machine of world.living) expect(quarantineOf(machine)).toBeUndefined();
    expect(statusOf(victim).verdict.kind).toBe('undecided');
    // With the third one back there is a majority, and it is mended.
    await away.start();
    await world.until(() => named(victim).length > 0);
    await world.until(() => quarantineOf(victim) === undefined && named(away).length > 0);
    expect(await valueAt(world, victim)).toBe('v1');
  });

  it('decides nothing where all three differ', async () => {
    const world = await filled(20);
    world.machines.slice(1).forEach((machine, at) => {
      spoil(machine, `k${at}`);
    });
    await world.until(() =>
      world.living.every((one) => statusOf(one).verdict.kind === 'undecided'),
    );
    await world.clock.advanceAsync(5000);
    for (const machine of world.living) expect(quarantineOf(machine)).toBeUndefined();
  });

  it('overwrites no member of which too much differs before a person says so', async () => {
    const world = await filled(30, { integritySettings: { intervalMs: 2000, partsMax: 4 } });
    const [victim] = world.followers as [TestMachine];
    for (let at = 0; at < 12; at += 1) spoil(victim, `k${at}`);
    await world.until(() => quarantineOf(victim) !== undefined);
    await world.clock.advanceAsync(20_000);
    expect(quarantineOf(victim)).toMatchObject({ isReplaced: false });
    expect(named(world.leader)[0]).toMatchObject({ isTooMuch: true });
    await world.settle(victim.engine.integrity.allowOverwrite());
    await world.until(() => quarantineOf(victim) === undefined);
    expect(await valueAt(world, victim)).toBe('v1');
  });

  it('overwrites one whose judges are gone for good when a person says so', async () => {
    const world = await filled(30, { integritySettings: { intervalMs: 2000, partsMax: 4 } });
    const [victim, third] = world.followers as [TestMachine, TestMachine];
    for (let at = 0; at < 12; at += 1) spoil(victim, `k${at}`);
    await world.until(() => quarantineOf(victim) !== undefined);
    await third.kill();
    await world.clock.advanceAsync(20_000);
    expect(statusOf(world.leader).verdict).toEqual({ kind: 'open' });
    expect(quarantineOf(victim)).toMatchObject({ isReplaced: false });
    await world.settle(victim.engine.integrity.allowOverwrite());
    await world.until(() => quarantineOf(victim) === undefined);
    expect(await valueAt(world, victim)).toBe('v1');
    await third.start();
    await compared(world);
    for (const machine of world.machines) expect(quarantineOf(machine)).toBeUndefined();
  });

  it('lets a person keep the state of a member that is alone', async () => {
    const world = await worlds.started(1, settings);
    await world.settle(world.leader.put('k1', 'v1'));
    const { leader } = world;
    await leader.kill();
    const file = new QuarantineFile(leader.disk.attach(), 'groups/0/quarantine');
    await file.open();
    await file.save({ quarantine: undefined, isUnproven: false });
    await file.close();
    for (const offset of [30, 4096 + 30]) leader.disk.flipBit('groups/0/quarantine', offset, 0);
    await leader.start();
    await world.clock.advanceAsync(10_000);
    await expect(valueAt(world, leader)).rejects.toThrow(/overwrite lets it .* keep its own/);
    await world.settle(leader.engine.integrity.allowOverwrite());
    expect(await valueAt(world, leader)).toBe('v1');
    await world.until(() => leader.engine.status().ready);
  });

  it('takes no state for a witness that came from another member, until all were equal', async () => {
    const world = await filled(30, {
      integritySettings: { intervalMs: 0 },
      replicaSettings: { snapshotEntriesMax: 20, snapshotIntervalMinMs: 0 },
      segmentBytes: 4096,
    });
    const { leader } = world;
    const [wiped, sound] = world.followers as [TestMachine, TestMachine];
    world.isolate(wiped);
    spoil(leader);
    for (let at = 0; at < 60; at += 1) await world.settle(leader.put(`n${at}`, 'x'));
    await world.clock.advanceAsync(5000);
    world.rejoin(wiped);
    await world.converge();
    expect(world.maybeLeader, 'the one whose memory has turned sends its state').toBe(leader);
    expect(await valueAt(world, wiped), 'and the bit with it').not.toBe('v1');
    await wiped.restart();
    await world.settle(leader.engine.integrity.check());
    await world.until(() => statusOf(sound).verdict.kind === 'undecided');
    await world.clock.advanceAsync(10_000);
    for (const machine of world.machines) {
      expect(named(machine)).toEqual([]);
      expect(quarantineOf(machine)).toBeUndefined();
    }
    expect(await valueAt(world, sound)).toBe('v1');
  });

  it('is asked for at any member, and an observer of nothing is refused', async () => {
    const world = await filled(10, { integritySettings: { intervalMs: 0 } });
    await world.clock.advanceAsync(10_000);
    expect(statusOf(world.leader).checkIndex).toBeUndefined();
    const [asked] = world.followers as [TestMachine];
    await world.settle(asked.engine.integrity.check());
    await world.until(() => decided(world) === 1);
    await expect(asked.engine.integrity.allowOverwrite()).rejects.toThrow(/not in quarantine/);
  });

  it('is answered for by no write of a leader that doubts its state', async () => {
    const world = await filled(20);
    await compared(world, 1);
    const victim = world.leader;
    const [other] = world.followers as [TestMachine];
    const answers: string[] = [];
    spoil(victim);
    const writer = { isOn: true };
    const asks = async (by: TestMachine): Promise<void> => {
      while (writer.isOn) {
        await by.put('w', 'x').then(
          () => victim === world.maybeLeader && quarantineOf(victim) && answers.push('doubted'),
          (error: { outcome: string }) => answers.push(error.outcome),
        );
        await new Promise<void>((resolve) => world.clock.schedule(1, resolve));
      }
    };
    const writing = Promise.all([asks(other), asks(other), asks(other)]);
    await world.until(() => quarantineOf(victim) !== undefined);
    await world.until(() => quarantineOf(victim) === undefined);
    writer.isOn = false;
    await world.settle(writing);
    expect(answers).not.toContain('doubted');
  });

  it('ends a member that cannot keep its doubt, and finds it again in the log', async () => {
    const world = await filled(20);
    const [victim] = world.followers as [TestMachine];
    refuseDoubts(victim, 'EIO');
    spoil(victim);
    await world.until(() => victim.fatal.length > 0);
    expect(String(victim.fatal.shift())).toMatch(/quarantine/);
    victim.disk.setFaults(undefined);
    await victim.restart();
    await world.until(() => quarantineOf(victim) !== undefined);
    await world.until(() => quarantineOf(victim) === undefined);
    expect(await valueAt(world, victim)).toBe('v1');
  });

  it('ends a member that cannot keep the end of its doubt, by its own group alone', async () => {
    const world = await filled(20);
    const [victim] = world.followers as [TestMachine];
    spoil(victim);
    await world.until(() => quarantineOf(victim)?.isReplaced === true);
    refuseDoubts(victim, 'EIO');
    await world.until(() => victim.fatal.length > 0);
    expect(String(victim.fatal.shift())).toMatch(/quarantine/);
    victim.disk.setFaults(undefined);
    await victim.restart();
    await world.until(() => quarantineOf(victim) === undefined);
  });

  it('keeps a doubt that finds no room until there is some', async () => {
    const world = await filled(20);
    const [victim] = world.followers as [TestMachine];
    refuseDoubts(victim, 'ENOSPC');
    spoil(victim);
    await world.until(() => quarantineOf(victim) !== undefined);
    world.isolate(victim);
    await world.clock.advanceAsync(3000);
    victim.disk.setFaults(undefined);
    await world.clock.advanceAsync(3000);
    await victim.restart();
    expect(quarantineOf(victim)).toMatchObject({ isReplaced: false });
    world.rejoin(victim);
    await world.until(() => quarantineOf(victim) === undefined);
  });

  it('goes on while a state cannot be sent, and to one that is away none is', async () => {
    const world = await filled(20);
    await compared(world, 1);
    const [victim] = world.followers as [TestMachine];
    const { upkeep } = world.leader.engine.replica;
    const { reseed } = upkeep;
    let tries = 0;
    upkeep.reseed = () => {
      tries += 1;
      return Promise.reject(new Error('no snapshot'));
    };
    spoil(victim);
    await world.until(() => quarantineOf(victim) !== undefined);
    const before = decided(world);
    await world.until(() => decided(world) >= before + 4);
    expect(tries).toBeGreaterThan(1);
    expect(tries).toBeLessThan(6);
    world.isolate(victim);
    await world.clock.advanceAsync(1000);
    tries = 0;
    await world.clock.advanceAsync(30_000);
    expect(tries).toBe(0);
    upkeep.reseed = reseed;
    world.rejoin(victim);
    await world.until(() => quarantineOf(victim) === undefined);
  });

  it('keeps a permission to overwrite over a restart, until another state is there', async () => {
    const world = await filled(30, { integritySettings: { intervalMs: 2000, partsMax: 4 } });
    const [victim] = world.followers as [TestMachine];
    for (let at = 0; at < 12; at += 1) spoil(victim, `k${at}`);
    await world.until(() => quarantineOf(victim) !== undefined);
    world.isolate(victim);
    const asked = victim.engine.integrity.allowOverwrite().catch(() => undefined);
    await world.clock.advanceAsync(50);
    await victim.restart();
    await world.clock.advanceAsync(500);
    expect(quarantineOf(victim)).toMatchObject({ isReplaced: false, mayOverwrite: true });
    world.rejoin(victim);
    await world.until(() => quarantineOf(victim) === undefined);
    expect(await valueAt(world, victim)).toBe('v1');
    void asked;
  });
});
