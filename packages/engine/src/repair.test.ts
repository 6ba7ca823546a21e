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

/**
 * All are down: a member that has lost both its snapshots and knows the first term alone, and one
 * of the two that went on without it through later terms.
 */
async function damagedBeforeTwoTerms(): Promise<[TestMachine, TestMachine, EngineWorld]> {
  const settings = { snapshotEntriesMax: 10, snapshotIntervalMinMs: 0 };
  const at = await filled(60, { replicaSettings: settings, segmentBytes: 4096 });
  await at.clock.advanceAsync(2000);
  const [rotten] = at.followers as [TestMachine];
  expect(rotten.engine.status().purgedIndex).toBeGreaterThan(0);
  await rotten.kill();
  for (const path of rotten.disk.paths()) {
    if (path.endsWith('.snap')) rotten.disk.flipBit(path, 200, 1);
  }
  for (let round = 0; round < 2; round += 1) {
    await at.leader.restart();
    await at.until(() => at.maybeLeader?.engine.status().ready === true);
  }
  for (let n = 60; n < 90; n += 1) await at.settle(at.leader.put(`k${n}`, `v${n}`));
  await at.converge();
  const peer = at.leader;
  for (const machine of at.living) await machine.kill();
  return [rotten, peer, at];
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

  it('that was deleted makes nobody vote for less than it held', async () => {
    const at = await filled(40);
    const [robbed, peer, dead] = at.machines as [TestMachine, TestMachine, TestMachine];
    for (const machine of at.machines) await machine.kill();
    for (const path of robbed.disk.paths()) {
      if (path.startsWith('groups/0/log/')) await robbed.disk.remove(path);
    }
    await robbed.start();
    await peer.start();
    await at.clock.advanceAsync(5000);
    expect(robbed.engine.status().role).toBe('repairing');
    expect(peer.engine.status().role).not.toBe('leader');
    await dead.start();
    await at.until(() => at.living.every(({ engine }) => engine.status().ready));
    expect(robbed.engine.status().role).not.toBe('repairing');
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

  it('outlives any crash while a snapshot of a later term comes from a peer (D-15)', async () => {
    const [rotten, peer, at] = await damagedBeforeTwoTerms();
    const before = new Set(rotten.disk.paths());
    await rotten.start();
    await peer.start();
    const hasArrived = (): boolean =>
      rotten.disk.paths().some((path) => path.endsWith('.snap') && !before.has(path));
    rotten.disk.setFaults(() => (hasArrived() ? { kind: 'crash' } : undefined));
    await at.until(hasArrived);
    await at.clock.advanceAsync(10);
    rotten.disk.setFaults(undefined);
    await rotten.restart();
    await at.until(() => at.living.every(({ engine }) => engine.status().ready));
    await expectAll(at, 90);
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

describe('a damaged snapshot', () => {
  it('gives way to the older one and a fresh one, and its remains go (D-19)', async () => {
    const settings = { snapshotEntriesMax: 10, snapshotIntervalMinMs: 0 };
    const at = await filled(45, { replicaSettings: settings, segmentBytes: 4096 });
    await at.clock.advanceAsync(2000);
    const [rotten] = at.followers as [TestMachine];
    await rotten.kill();
    const newest = rotten.disk.paths().findLast((path) => path.endsWith('.snap')) as string;
    rotten.disk.flipBit(newest, 300, 2);
    await rotten.start();
    expect(rotten.engine.status().role).not.toBe('repairing');
    await at.until(() => rotten.engine.status().ready);
    await at.converge();
    expect(rotten.disk.paths()).toContain(`${newest}.bad`);
    for (let n = 45; n < 80; n += 1) await at.settle(at.leader.put(`k${n}`, `v${n}`));
    await at.until(() => !rotten.disk.paths().includes(`${newest}.bad`));
    await expectAll(at, 80);
  });
});

describe('a damaged status file', () => {
  it('is written anew from its good copy, and costs nothing (D-02)', async () => {
    const at = await filled(5);
    const [rotten] = at.followers as [TestMachine];
    await rotten.kill();
    const path = rotten.disk.paths().find((one) => one.endsWith('/status')) as string;
    const before = rotten.disk.contents(path);
    rotten.disk.flipBit(path, 30, 1);
    await rotten.start();
    expect(rotten.disk.contents(path).length).toBe(before.length);
    await at.until(() => rotten.engine.status().ready);
    await rotten.restart();
    expect(rotten.engine.status().findings?.statusCopiesBad).toBe(0);
  });

  it('with both copies lost abstains, hears the others, and comes back (D-02)', async () => {
    const at = await filled(20);
    const [rotten] = at.followers as [TestMachine];
    await rotten.kill();
    const path = rotten.disk.paths().find((one) => one.endsWith('/status')) as string;
    for (const copy of [30, 4126]) rotten.disk.flipBit(path, copy, 1);
    await rotten.start();
    expect(rotten.engine.status().role).toBe('repairing');
    await at.until(() => rotten.engine.status().ready);
    expect(rotten.engine.status().role).not.toBe('repairing');
    await at.converge();
  });
});
