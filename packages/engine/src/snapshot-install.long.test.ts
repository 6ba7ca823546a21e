// Goal: a crash at any disk operation of a snapshot install leaves a member that starts, stands for
// what it had acknowledged, and ends in the state of the others (D-15). Method: one install counts
// the operations that change the disk; each further one dies in another of them, by kill or by
// power loss, in the same world.
import { SeededRandom } from '@holdfast/base/seeded-random';
import type { DiskFault, DiskOperation } from '@holdfast/storage/memory-disk';
import { describe, expect, it } from 'vitest';
import { EngineWorld, type TestMachine } from './embedded-engine.fixture.ts';

const options = {
  segmentBytes: 4096,
  replicaSettings: { snapshotEntriesMax: 4, snapshotIntervalMinMs: 0 },
  // Small images: the runs share one world.
  compactionSettings: { historyRevisionsMax: 5, stepRevisionsMin: 1 },
};

const isChange = ({ kind }: DiskOperation): boolean => !['open', 'read', 'list'].includes(kind);

/** Counts changes of a disk, and dies in the one that it is told. */
function countChanges(machine: TestMachine, dieAt = Number.POSITIVE_INFINITY): () => number {
  let count = 0;
  machine.disk.setFaults((operation): DiskFault | undefined => {
    if (isChange(operation)) count += 1;
    return count >= dieAt ? { kind: 'crash' } : undefined;
  });
  return () => count;
}

/** The machine is dead, and the others have gone so far that it needs a snapshot. */
async function leaveBehind(world: EngineWorld, machine: TestMachine): Promise<void> {
  const { lastIndex } = machine.engine.status();
  await machine.kill();
  await world.until(() => world.maybeLeader !== undefined);
  for (let at = 0; world.leader.engine.status().purgedIndex <= lastIndex; at += 1) {
    await world.settle(world.leader.put(`k${at % 3}`, 'v'.repeat(900)));
  }
}

const isInstalled = ({ engine }: TestMachine): boolean => {
  const { snapshotIndex, purgedIndex, appliedIndex } = engine.status();
  return snapshotIndex > 0 && purgedIndex === snapshotIndex && appliedIndex >= snapshotIndex;
};

async function crashAt(world: EngineWorld, machine: TestMachine, at: number): Promise<void> {
  await leaveBehind(world, machine);
  const changes = countChanges(machine, at);
  await machine.start().catch(() => undefined); // Died while it started.
  await world.until(() => changes() >= at, 1000).catch(() => undefined);
  machine.disk.setFaults(undefined);
  await machine.kill();
  if (at % 2 === 0) machine.disk.powerLoss(new SeededRandom(at));
  machine.fatal.length = 0;
  await machine.start();
  await world.converge();
  expect(machine.fatal, `crash at change ${at}`).toEqual([]);
}

describe('a snapshot install', () => {
  it('survives a crash at each change of its disk', async () => {
    const world = new EngineWorld(3, options);
    await world.start();
    const machine = world.followers[0] as TestMachine;
    await leaveBehind(world, machine);
    const changes = countChanges(machine);
    await machine.start();
    await world.until(() => isInstalled(machine));
    const count = changes();
    expect(count).toBeGreaterThan(20);
    await world.converge();
    for (let at = 1; at <= count; at += 1) await crashAt(world, machine, at);
    for (const { engine } of world.machines) engine.store.validate();
    expect(await world.close()).toBe(0);
  }, 60_000);
});
