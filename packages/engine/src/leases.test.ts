// Goal: what a door is promised of leases and sessions by a cluster whose leaders are killed and
// cut off (safety.md 20, 21; C-06). Method: whole members in memory, on a clock of the test's.
import { utf8 } from '@holdfast/base/bytes';
import { type HoldfastError, isHoldfastError } from '@holdfast/base/errors';
import { putRequest } from '@holdfast/domain/requests';
import { describe, expect, it } from 'vitest';
import { knownVersion, leasesVersion } from './cluster-version.ts';
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

async function started(size: number, options?: TestEngineOptions): Promise<EngineWorld> {
  const world = await worlds.started(size, options);
  await world.until(() =>
    world.living.every(({ engine }) => engine.store.clusterVersion === knownVersion),
  );
  return world;
}

const leased = (key: string, value: string, lease: bigint) => ({
  ...putRequest(keysOf(key), utf8(value)),
  lease,
});

const codeOf = (promise: Promise<unknown>): Promise<string> =>
  promise.then(
    () => 'done',
    (error: HoldfastError) => error.code,
  );

/** A lease with two keys, granted through a follower. */
async function grant(world: EngineWorld, ttlMs: number): Promise<bigint> {
  const { engine } = world.followers[0] as TestMachine;
  const { body } = await world.settle(engine.leaseGrant({ ttlMs }, actor));
  await world.settle(engine.put(leased('a', '1', body.id), actor));
  await world.settle(engine.put(leased('b', '2', body.id), actor));
  return body.id;
}

const isThere = (world: EngineWorld, id: bigint): boolean =>
  world.leader.engine.store.leases.get(id) !== undefined;

describe('a lease in a new cluster', () => {
  it('waits for the members to say that they know leases', async () => {
    const world = worlds.make(3);
    await world.settle(Promise.all(world.machines.map((machine) => machine.boot())));
    const { engine } = world.machines[1] as TestMachine;
    const granted = world.settle(engine.leaseGrant({ ttlMs: 1000 }, actor));
    await world.until(() => engine.status().ready);
    expect(engine.store.clusterVersion).toBeLessThan(leasesVersion);
    expect((await granted).body.ttlMs).toBe(1000);
  });

  it('is refused after two seconds where one member has never come up', async () => {
    const world = worlds.make(3);
    const [first, second] = world.machines as readonly [TestMachine, TestMachine];
    await world.settle(Promise.all([first.boot(), second.boot()]));
    await world.until(() => first.engine.status().ready);
    const fromMs = world.clock.monotonicMs();
    const refused = world.settle(first.engine.leaseGrant({ ttlMs: 1000 }, actor), 2500);
    await expect(refused).rejects.toThrow('not yet: n3');
    expect(world.clock.monotonicMs() - fromMs).toBeGreaterThanOrEqual(2000);
  });
});

describe('a lease', () => {
  it('takes its keys with it in one revision, as every watcher on every member sees', async () => {
    const world = await started(3);
    const id = await grant(world, 2000);
    const watches = await Promise.all(
      world.machines.map(async ({ engine }) => {
        const request = { ...keysOf('a', 'z'), startRevision: engine.store.revision };
        return new Watched(await engine.watch(request, actor));
      }),
    );
    await world.until(() => !isThere(world, id), 5000);
    await world.converge();
    await world.clock.advanceAsync(10);
    for (const { items } of watches) {
      const deletes = items.filter(
        (item) => item.type === 'events' && item.events.some(({ type }) => type === 'delete'),
      );
      expect(deletes).toHaveLength(1);
      const events = deletes.flatMap((item) => (item.type === 'events' ? item.events : []));
      expect(events.map(({ type }) => type)).toEqual(['delete', 'delete']);
    }
  });

  it('is kept alive through any member, and tells its time and its keys', async () => {
    const world = await started(3);
    const id = await grant(world, 3000);
    for (let round = 0; round < 9; round += 1) {
      await world.clock.advanceAsync(1000);
      const { engine } = world.machines[round % 3] as TestMachine;
      const { body } = await world.settle(engine.leaseKeepAlive(id, actor));
      expect(body).toMatchObject({ id, ttlMs: 3000 });
      expect(body.remainingMs).toBeGreaterThan(2900);
    }
    const { engine } = world.followers[1] as TestMachine;
    const time = await world.settle(engine.leaseTimeToLive(id, { ...actor, keys: true }));
    expect(time.body.keys?.map(({ key }) => Buffer.from(key).toString()).sort()).toEqual([
      'a',
      'b',
    ]);
    const all = await world.settle(engine.leases({ limit: 10 }, actor));
    expect(all.body).toEqual({ ids: [id], count: 1 });
    const revoked = await world.settle(engine.leaseRevoke(id, actor));
    expect(revoked.body).toEqual({ deleted: 2 });
    expect(await world.settle(codeOf(engine.leaseKeepAlive(id, actor)))).toBe('not-found');
  });

  it('lives for its full time again when its leader is killed', async () => {
    const world = await started(3);
    const id = await grant(world, 4000);
    await world.clock.advanceAsync(3500);
    const keeper = world.followers[0] as TestMachine;
    await world.settle(keeper.engine.leaseKeepAlive(id, actor));
    const keptMs = world.clock.monotonicMs();
    await world.leader.kill();
    await world.until(() => world.maybeLeader !== undefined);
    while (world.clock.monotonicMs() < keptMs + 4000) {
      for (const { engine } of world.living) expect(engine.store.leases.get(id)).toBeDefined();
      await world.clock.advanceAsync(50);
    }
    await world.until(() => world.maybeLeader !== undefined && !isThere(world, id), 10_000);
  });

  it('is neither kept nor ended by a leader that is cut off', async () => {
    const world = await started(3);
    const id = await grant(world, 4000);
    const old = world.leader;
    world.isolate(old);
    const atOld = codeOf(old.engine.leaseKeepAlive(id, actor));
    await world.until(() => world.machines.some((m) => m !== old && m.engine.replica.isLeader));
    const successor = world.machines.find((m) => m !== old && m.engine.replica.isLeader);
    for (let round = 0; round < 6; round += 1) {
      await world.clock.advanceAsync(1000);
      await world.settle((successor as TestMachine).engine.leaseKeepAlive(id, actor));
    }
    expect(await world.settle(atOld)).not.toBe('done');
    expect(old.engine.store.leases.get(id)).toBeDefined();
    world.rejoin(old);
    await world.clock.advanceAsync(500);
    await world.converge();
    expect(isThere(world, id)).toBe(true);
  });
});

describe('a cluster with a member that may not know leases', () => {
  it('asks no leader about one: an older one would take the question for a write', async () => {
    const world = worlds.make(3);
    for (const machine of world.machines.slice(0, 2)) await machine.start();
    await world.until(() => world.maybeLeader !== undefined);
    for (const { engine } of world.living) {
      for (const asked of [engine.leaseKeepAlive(7n, actor), engine.leaseTimeToLive(7n, actor)]) {
        expect(await world.settle(codeOf(asked))).toBe('failed-precondition');
      }
    }
  });
});

describe('a write in a session', () => {
  const at = (id: bigint, sequence: bigint) => ({
    ...actor,
    session: { id, sequence, lowestPending: 1n },
  });

  it('takes effect once, through whichever members it is sent, and answers as it did', async () => {
    const world = await started(3);
    const [one, other] = world.machines as [TestMachine, TestMachine];
    const session = await world.settle(one.engine.sessionRegister({ ttlMs: 60_000 }, actor));
    const { id } = session.body;
    const request = putRequest(keysOf('a'), utf8('1'));
    const first = await world.settle(one.engine.put(request, at(id, 1n)));
    const again = await world.settle(other.engine.put(request, at(id, 1n)));
    expect(again.header.revision).toBe(first.header.revision);
    const next = await world.settle(other.engine.put(request, at(id, 2n)));
    expect(next.header.revision).toBe(first.header.revision + 1);
  });

  it('that took effect is answered as it was, though the store is full by now', async () => {
    const world = await started(3, { quotaBytes: 2000 });
    const [one, other] = world.machines as [TestMachine, TestMachine];
    const { body } = await world.settle(one.engine.sessionRegister({ ttlMs: 60_000 }, actor));
    const request = putRequest(keysOf('a'), new Uint8Array(3000));
    const first = await world.settle(one.engine.put(request, at(body.id, 1n)));
    await world.converge();
    const again = await world.settle(other.engine.put(request, at(body.id, 1n)));
    expect(again.header.revision).toBe(first.header.revision);
    expect(await world.settle(codeOf(other.engine.put(request, at(body.id, 2n))))).toBe(
      'quota-exceeded',
    );
  });

  it('takes effect once, though its leader dies before it answers', async () => {
    const world = await started(3);
    const { body } = await world.settle(
      (world.followers[0] as TestMachine).engine.sessionRegister({ ttlMs: 60_000 }, actor),
    );
    let revision = world.leader.engine.store.revision as number;
    for (let sequence = 1n; sequence <= 6n; sequence += 1n) {
      const { engine } = world.followers[0] as TestMachine;
      const request = putRequest(keysOf('a'), utf8(`${sequence}`));
      const writing = codeOf(engine.put(request, at(body.id, sequence)));
      await world.clock.advanceAsync(Number(sequence % 4n));
      const dead = world.leader;
      await dead.kill();
      await world.settle(writing);
      await world.settle(retried(world, () => engine.put(request, at(body.id, sequence))));
      revision += 1;
      expect(engine.store.revision).toBe(revision);
      await dead.start();
      await world.until(() => world.living.every((machine) => machine.engine.status().ready));
    }
  });

  it('of a session that has expired is refused, and applied nowhere', async () => {
    const world = await started(3);
    const { engine } = world.leader;
    const { body } = await world.settle(engine.sessionRegister({ ttlMs: 2000 }, actor));
    await world.settle(engine.put(putRequest(keysOf('a'), utf8('1')), at(body.id, 1n)));
    await world.until(() => engine.store.sessions.size === 0, 10_000);
    const late = engine.put(putRequest(keysOf('a'), utf8('2')), at(body.id, 2n));
    expect(await world.settle(codeOf(late))).toBe('session-expired');
    expect((await world.settle(world.leader.get('a'))).body).toBe('1');
  });

  it('keeps its session alive, and so does saying so', async () => {
    const world = await started(1);
    const { engine } = world.leader;
    const { body } = await world.settle(engine.sessionRegister({ ttlMs: 2000 }, actor));
    for (let round = 1; round <= 6; round += 1) {
      await world.clock.advanceAsync(1500);
      if (round % 2 === 0) await world.settle(engine.sessionKeepAlive(body.id, actor));
      else {
        const request = putRequest(keysOf('a'), utf8('1'));
        await world.settle(engine.put(request, at(body.id, BigInt(round))));
      }
    }
    expect(engine.store.sessions.has(body.id)).toBe(true);
    await world.settle(engine.sessionClose(body.id, actor));
    expect(engine.store.sessions.has(body.id)).toBe(false);
  });
});

async function retried<T>(world: EngineWorld, write: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await write();
    } catch (error) {
      if (!isHoldfastError(error) || !error.retryable) throw error;
      await new Promise<void>((resolve) => void world.clock.schedule(50, resolve));
    }
  }
}
