// Goal: what rots at rest while a member runs is found and mended without a hand (D-18, D-19), and
// nobody is blamed for files that are written, purged or replaced meanwhile. Method: whole members
// over memory disks; a bit is flipped in each kind of file, a pass is asked for.
import { isHoldfastError } from '@holdfast/base/errors';
import { afterEach, describe, expect, it } from 'vitest';
import {
  type EngineWorld,
  EngineWorlds,
  type TestEngineOptions,
  type TestMachine,
} from './embedded-engine.fixture.ts';

const worlds = new EngineWorlds();

afterEach(async () => {
  expect((await worlds.close()).timers).toBe(0);
});

const small: TestEngineOptions = {
  replicaSettings: { snapshotEntriesMax: 20, snapshotIntervalMinMs: 0 },
  integritySettings: { intervalMs: 0 },
  scrubSettings: { intervalMs: 0, bytesPerSecond: 1_000_000_000 },
  segmentBytes: 4096,
};

async function filled(options: TestEngineOptions = small, size = 3): Promise<EngineWorld> {
  const world = await worlds.started(size, options);
  for (let at = 0; at < 50; at += 1) await world.settle(world.leader.put(`k${at}`, `v${at}`));
  await world.converge();
  await world.clock.advanceAsync(1000);
  return world;
}

const scrubberOf = ({ engine }: TestMachine) => {
  const { scrubber } = engine.soundness;
  if (!scrubber) throw new Error('it looks at its files');
  return scrubber;
};

async function scrubbed(world: EngineWorld, machine: TestMachine): Promise<void> {
  const scrubber = scrubberOf(machine);
  const { passes } = scrubber.status;
  scrubber.start();
  await world.until(() => scrubber.status.passes > passes || machine.fatal.length > 0);
}

function flip(machine: TestMachine, name: RegExp, place = 0.5): string {
  const path = machine.disk.paths().findLast((one) => name.test(one));
  if (path === undefined) throw new Error(`no ${name}: ${machine.disk.paths().join(' ')}`);
  const end = machine.disk.contents(path).findLastIndex((byte) => byte !== 0);
  machine.disk.flipBit(path, Math.floor(end * place), 3);
  return path;
}

describe('a pass over the files at rest', () => {
  it('finds nothing amiss in sound ones, and says how much it read', async () => {
    const world = await filled();
    const [machine] = world.followers as [TestMachine];
    await scrubbed(world, machine);
    const { last, found, running } = scrubberOf(machine).status;
    expect({ found, running }).toEqual({ found: 0, running: undefined });
    expect(last).toMatchObject({ found: 0, isWhole: true });
    expect(last?.bytes).toBeGreaterThan(4096 * 2);
  });

  it('blames nobody while the log is written, truncated to snapshots and purged', async () => {
    const world = await filled({
      ...small,
      scrubSettings: { intervalMs: 0, bytesPerSecond: 40_000 },
    });
    let isOn = true;
    const writing = (async () => {
      for (let n = 0; isOn; n += 1) await world.leader.put(`k${n % 40}`, `${n}`.repeat(20));
    })();
    for (let round = 0; round < 4; round += 1) {
      for (const machine of world.machines) scrubberOf(machine).start();
      await world.clock.advanceAsync(1500);
    }
    isOn = false;
    await world.settle(writing);
    await world.until(() => world.machines.every((one) => !scrubberOf(one).status.running));
    for (const machine of world.machines) {
      const { passes, found, last } = scrubberOf(machine).status;
      expect(passes).toBeGreaterThan(0);
      expect({ found, isWhole: last?.isWhole }).toEqual({ found: 0, isWhole: true });
      expect(machine.engine.status().purgedIndex).toBeGreaterThan(20);
      expect(machine.fatal).toEqual([]);
    }
  });

  it.each(['identity', 'status', 'log/base'])(
    'mends a spoiled copy of the %s file',
    async (name) => {
      const world = await filled();
      const [machine] = world.followers as [TestMachine];
      const path = machine.disk.paths().find((one) => one.endsWith(name)) as string;
      const before = machine.disk.contents(path).slice();
      machine.disk.flipBit(path, 30, 2);
      await scrubbed(world, machine);
      expect(scrubberOf(machine).status.found).toBe(1);
      if (name !== 'identity') expect(machine.disk.contents(path)).toEqual(before);
      expect(machine.integrity).toContainEqual({
        type: 'rot-found',
        what: name === 'log/base' ? 'base of the log' : `${name} file`,
      });
      await scrubbed(world, machine);
      expect(scrubberOf(machine).status.found, 'it is whole again').toBe(1);
    },
  );

  it('sets a rotten snapshot aside and takes another', async () => {
    const world = await filled();
    const [machine] = world.followers as [TestMachine];
    const path = flip(machine, /\.snap$/);
    await world.settle(world.leader.put('one', 'more'));
    await world.converge();
    await scrubbed(world, machine);
    expect(machine.disk.paths()).toContain(`${path}.bad`);
    await world.until(
      () => machine.engine.status().snapshotIndex === machine.engine.store.appliedIndex,
    );
    await scrubbed(world, machine);
    expect(scrubberOf(machine).status.found, 'the new ones are sound').toBe(1);
    await machine.restart();
    await world.until(() => machine.engine.status().ready);
  });

  it.each([
    ['an older segment', 0.5],
    ['the header of one', 0.01],
  ])('starts the engine anew for rot in %s, which the peers mend', async (_what, place) => {
    const options = { ...small, replicaSettings: { snapshotEntriesMax: 10_000 } };
    const world = await filled(options);
    const [machine] = world.followers as [TestMachine];
    const [segment] = machine.disk.paths().filter((path) => path.endsWith('.seg'));
    flip(machine, new RegExp(`${segment}$`), place as number);
    await scrubbed(world, machine);
    expect(machine.fatal).toHaveLength(1);
    expect(isHoldfastError(machine.fatal[0], 'corrupt'), String(machine.fatal[0])).toBe(true);
    // As server/engine-life.ts does.
    await machine.close();
    await machine.start();
    await world.until(() => machine.engine.status().ready);
    expect(machine.engine.status().findings?.damaged).toBeDefined();
    await world.converge();
    machine.fatal.length = 0;
    await scrubbed(world, machine);
    expect(scrubberOf(machine).status.last).toMatchObject({ found: 0, isWhole: true });
  });

  it('leaves a member that is alone running, with a snapshot instead of the rotten log', async () => {
    const options = { ...small, replicaSettings: { snapshotEntriesMax: 10_000 } };
    const world = await filled(options, 1);
    const machine = world.leader;
    const [segment] = machine.disk.paths().filter((path) => path.endsWith('.seg'));
    flip(machine, new RegExp(`${segment}$`));
    await scrubbed(world, machine);
    expect(machine.fatal).toEqual([]);
    await world.until(() => machine.engine.status().snapshotIndex > 50);
    await world.settle(machine.put('still', 'here'));
  });

  it('comes by itself, as often as it is told', async () => {
    const world = await filled({
      ...small,
      scrubSettings: { intervalMs: 3000, bytesPerSecond: 1_000_000_000 },
    });
    await world.clock.advanceAsync(10_000);
    for (const machine of world.machines) {
      expect(scrubberOf(machine).status.passes).toBeGreaterThanOrEqual(2);
    }
  });
});
