// Goal: a member whose log is damaged comes back by itself, also when no leader can be had without
// it: one rotten and one dead member of three do not stop the cluster (safety.md 5, D-10). Method:
// whole members over memory disks; bits are flipped at rest, and every value is read back.
import { afterEach, describe, expect, it } from 'vitest';
import {
  EngineWorld,
  type TestEngineOptions,
  type TestMachine,
} from './embedded-engine.fixture.ts';

let world: EngineWorld | undefined;

afterEach(async () => {
  expect(await world?.close()).toBe(0);
  world = undefined;
});

async function filled(count: number, options: TestEngineOptions = {}): Promise<EngineWorld> {
  world = new EngineWorld(3, options);
  await world.start();
  for (let at = 0; at < count; at += 1) await world.settle(world.leader.put(`k${at}`, `v${at}`));
  await world.converge();
  return world;
}

const segmentOf = (machine: TestMachine): string =>
  machine.disk.paths().find((path) => /log\/[0-9a-f]{16}\.seg$/.test(path)) as string;

/** In the middle of what was written. */
function rot(machine: TestMachine): void {
  const path = segmentOf(machine);
  const end = machine.disk.contents(path).findLastIndex((byte) => byte !== 0);
  machine.disk.flipBit(path, Math.floor((end * 2) / 3), 3);
}

async function expectAll(of: EngineWorld, count: number): Promise<void> {
  for (let at = 0; at < count; at += 1) {
    const { body } = await of.settle(of.leader.get(`k${at}`));
    expect(body).toBe(`v${at}`);
  }
}

describe('a damaged log', () => {
  it('is repaired by any peer when a third member is dead, and nothing is lost', async () => {
    const at = await filled(40);
    const [rotten, peer, dead] = at.machines as [TestMachine, TestMachine, TestMachine];
    for (const machine of at.machines) await machine.kill();
    rot(rotten);
    await rotten.start();
    await peer.start();
    await at.until(() => rotten.engine.status().role !== 'repairing');
    await at.until(() => at.living.every(({ engine }) => engine.status().ready));
    await expectAll(at, 40);
    await at.settle(at.leader.put('after', '1'));
    await dead.start();
    await at.until(() => dead.engine.status().ready);
    await at.converge();
  });

  it('is repaired when two of three are damaged at the same place', async () => {
    const at = await filled(40);
    for (const machine of at.machines) await machine.kill();
    rot(at.machines[0] as TestMachine);
    rot(at.machines[1] as TestMachine);
    for (const machine of at.machines) await machine.start();
    await at.until(() => at.living.every(({ engine }) => engine.status().ready));
    await expectAll(at, 40);
  });

  it('gives way to a snapshot of any peer where both own ones are lost (D-03, D-04)', async () => {
    const settings = { snapshotEntriesMax: 10, snapshotIntervalMinMs: 0 };
    const at = await filled(60, { replicaSettings: settings, segmentBytes: 4096 });
    await at.clock.advanceAsync(2000);
    const [rotten, peer] = at.machines as [TestMachine, TestMachine, TestMachine];
    expect(rotten.engine.status().purgedIndex).toBeGreaterThan(0);
    for (const machine of at.machines) await machine.kill();
    for (const path of rotten.disk.paths()) {
      if (path.endsWith('.snap')) rotten.disk.flipBit(path, 200, 1);
    }
    await rotten.start();
    expect(rotten.engine.status()).toMatchObject({ role: 'repairing', appliedIndex: 0 });
    await peer.start();
    await at.until(() => at.living.every(({ engine }) => engine.status().ready));
    await expectAll(at, 60);
  });

  it('is not healed from a peer that never had its end', async () => {
    const at = await filled(10);
    const rotten = at.leader;
    const [behind, dead] = at.followers as [TestMachine, TestMachine];
    await behind.kill();
    for (let n = 10; n < 20; n += 1) await at.settle(rotten.put(`k${n}`, `v${n}`));
    await dead.kill();
    await rotten.kill();
    rot(rotten);
    await rotten.start();
    await behind.start();
    await at.clock.advanceAsync(20_000);
    expect(rotten.engine.status().role).toBe('repairing');
    expect(at.maybeLeader).toBeUndefined();
    await dead.start();
    await at.until(() => at.living.every(({ engine }) => engine.status().ready));
    await expectAll(at, 20);
  });
});
