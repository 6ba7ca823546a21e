// Goal: what a member says of itself after a start is true: initialised, ready, and what it refuses
// until then (D-12, B-17, C-15). Method: whole members in memory, one of them cut off or watched.
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { EngineWorld } from './embedded-engine.fixture.ts';

let world: EngineWorld;

beforeEach(async () => {
  world = new EngineWorld(3, { replicaSettings: { snapshotEntriesMax: 1_000_000 } });
  await world.start();
  for (let at = 0; at < 40; at += 1) await world.settle(world.leader.put(`k${at}`, `v${at}`));
});

afterEach(async () => {
  expect(await world.close()).toBe(0);
});

const phaseOf = (machine: EngineWorld['machines'][number], name: string) =>
  machine.engine.status().recovery.find((phase) => phase.name === name);

describe('a member that comes back', () => {
  it('is initialised when it has applied its saved commit, and ready only after a barrier', async () => {
    const machine = world.followers[0] as EngineWorld['machines'][number];
    await machine.kill();
    world.isolate(machine);
    await machine.start();
    await world.until(() => machine.engine.status().initialised);
    const alone = machine.engine.status();
    expect(alone.ready).toBe(false);
    expect(alone.appliedIndex).toBeGreaterThan(30);
    expect(phaseOf(machine, 'replay')).toMatchObject({
      state: 'done',
      amount: { unit: 'entries', done: alone.appliedIndex, total: alone.appliedIndex },
    });
    expect(phaseOf(machine, 'serving')?.state).toBe('running');
    // No leader is heard, so it can not say how old its state is.
    await world.clock.advanceAsync(5000);
    expect(machine.engine.status().ready).toBe(false);
    expect(phaseOf(machine, 'serving')?.detail).toMatch(/too few voters are reachable/);
    world.rejoin(machine);
    await world.until(() => machine.engine.status().ready);
    expect(phaseOf(machine, 'serving')?.state).toBe('done');
    const { term, leader } = machine.engine.status();
    expect({ term, leader }).toEqual({
      term: world.leader.engine.status().term,
      leader: world.leader.id,
    });
  });

  it('serves no linearizable and no bounded read before it has caught up', async () => {
    const machine = world.followers[0] as EngineWorld['machines'][number];
    await machine.kill();
    await world.settle(world.leader.put('k1', 'newer'));
    world.isolate(machine);
    await machine.start();
    await world.until(() => machine.engine.status().initialised);
    const bounded = { consistency: { level: 'bounded', maxAgeMs: 60_000 } } as const;
    await expect(machine.get('k1', bounded)).rejects.toMatchObject({ code: 'stale-unknown' });
    const linearizable = world.settle(machine.get('k1')).catch((error: unknown) => error);
    expect(await linearizable).toMatchObject({ retryable: true });
    // A stale read is one that bears its age, which is unknown.
    const stale = await machine.get('k1', { consistency: { level: 'stale' } });
    expect(stale.header.ageMs).toBeUndefined();
    world.rejoin(machine);
    await world.until(() => machine.engine.status().ready);
    expect((await world.settle(machine.get('k1'))).body).toBe('newer');
    expect((await machine.get('k1', bounded)).body).toBe('newer');
  });

  it('has no core, and so no timer of one, before its state is loaded', async () => {
    const machine = world.leader;
    await world.settle(machine.engine.replica.takeSnapshot());
    const { snapshotIndex } = machine.engine.status();
    expect(snapshotIndex).toBeGreaterThan(30);
    await machine.kill();
    const seen: string[] = [];
    machine.disk.setFaults(() => {
      if (!machine.isAlive) return undefined;
      const { recovery, role } = machine.engine.status();
      const running = recovery.find(({ state }) => state === 'running')?.name ?? 'none';
      if (seen.at(-1) !== running) seen.push(running);
      if (!['replay', 'serving', 'none'].includes(running)) expect(role).toBe('starting');
      else if (seen.length > 1)
        expect(machine.engine.status().appliedIndex).toBeGreaterThanOrEqual(snapshotIndex);
      return undefined;
    });
    await machine.start();
    machine.disk.setFaults(undefined);
    expect(seen.slice(0, 4)).toEqual(['status', 'snapshot-scan', 'snapshot-load', 'log']);
    expect(machine.engine.status().commitIndex).toBeGreaterThanOrEqual(snapshotIndex);
    await world.until(() => machine.engine.status().ready);
  });
});

describe('a member with a leader whose writes do not get through', () => {
  it('is not ready, and says why; it is ready again by itself', async () => {
    const own = new EngineWorld(3, { raftSettings: { idleCommitMs: 500 } });
    await own.start();
    await own.clock.advanceAsync(10_000);
    const states = () => own.machines.map(({ engine }) => engine.status());
    expect(states().map(({ ready }) => ready)).toEqual([true, true, true]);
    const full = { kind: 'error', code: 'ENOSPC' } as const;
    for (const { disk } of own.followers) {
      disk.setFaults(({ kind, path }) =>
        kind === 'write' && path.includes('/log/') ? full : undefined,
      );
    }
    await own.clock.advanceAsync(3000);
    for (const { ready, leader, notReadyReason } of states()) {
      expect([ready, leader]).toEqual([false, own.leader.id]);
      expect(notReadyReason).toMatch(/nothing was committed for \d s.*look at the disks/);
    }
    for (const { disk } of own.followers) disk.setFaults(undefined);
    await own.clock.advanceAsync(3000);
    expect(states().map(({ ready }) => ready)).toEqual([true, true, true]);
    expect(await own.close()).toBe(0);
  });
});
