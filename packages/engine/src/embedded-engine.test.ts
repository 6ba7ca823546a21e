// Goal: what a door is promised by an EmbeddedEngine, in a cluster whose members stop, die, fill
// their disks and come back. Method: whole members in memory, on a clock that the test moves.
import { utf8 } from '@holdfast/base/bytes';
import { HoldfastError } from '@holdfast/base/errors';
import { revision } from '@holdfast/base/ids';
import {
  compareAbsent,
  deleteRangeRequest,
  putOperation,
  putRequest,
  rangeRequest,
  txnOperation,
  txnRequest,
} from '@holdfast/domain/requests';
import { describe, expect, it } from 'vitest';
import { groupsVersion } from './cluster-version.ts';
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
const started = worlds.started.bind(worlds);

/** Snapshots and purges after every few entries, so that a member that was away needs one. */
const eager: TestEngineOptions = {
  segmentBytes: 8192,
  replicaSettings: { snapshotEntriesMax: 20, snapshotIntervalMinMs: 0 },
};

async function putMany(world: EngineWorld, by: () => TestMachine, count: number): Promise<void> {
  for (let at = 0; at < count; at += 1) {
    await world.settle(by().put(`k${at % 5}`, `${'v'.repeat(200)}${at}`));
  }
}

describe('writes and reads', () => {
  it('work through any member, and are read from any other', async () => {
    const world = await started(3);
    for (const writer of world.machines) {
      await world.settle(writer.put('a', `from ${writer.number}`));
      for (const reader of world.machines) {
        const { header, body } = await world.settle(reader.get('a'));
        expect([body, header.ageMs]).toEqual([`from ${writer.number}`, 0]);
      }
    }
    await world.converge();
  });

  it('of one turn share entries, and have answers of their own', async () => {
    const world = await started(3);
    await world.until(() => world.leader.engine.store.clusterVersion >= groupsVersion);
    const { engine } = world.leader;
    const before = engine.status().appliedIndex;
    const puts = Array.from({ length: 200 }, (_, at) => world.leader.put(`k${at}`, `${at}`));
    const missing = engine.put({ ...putRequest(keysOf('a'), utf8('x')), lease: 9n }, actor);
    const refused = missing.catch(({ code }: HoldfastError) => code);
    const answers = await world.settle(Promise.all(puts));
    expect(await world.settle(refused)).toBe('not-found');
    const revisions = answers.map(({ header }) => header.revision);
    expect(revisions).toEqual(revisions.map((_, at) => (revisions[0] as number) + at));
    expect(engine.status().appliedIndex - before).toBeLessThan(10);
    await world.until(() =>
      world.machines.every((one) => one.engine.store.stateHash === engine.store.stateHash),
    );
  });

  it('that are transactions without a write are read, and have no place in the log', async () => {
    const world = await started(3);
    await world.settle(world.leader.put('a', '1'));
    await world.converge();
    const before = world.leader.engine.status().commitIndex;
    const range = { $case: 'range', value: rangeRequest(keysOf('a')) } as const;
    const compare = [compareAbsent(keysOf('a'))];
    const request = txnRequest({ compare, success: [], failure: [{ request: range }] });
    for (const { engine } of world.machines) {
      const { header, body } = await world.settle(engine.txn(request, actor));
      expect([body.succeeded, header.ageMs]).toEqual([false, 0]);
      expect(body.responses[0]?.response).toMatchObject({ value: { count: 1 } });
    }
    expect(world.leader.engine.status().commitIndex).toBe(before);
  });

  it('tell how long ago each member was heard', async () => {
    const world = await started(3);
    await world.clock.advanceAsync(1000);
    for (const peer of world.leader.engine.status().peers) {
      expect(peer.lastContactMs).toBeGreaterThanOrEqual(0);
      expect(peer.lastContactMs).toBeLessThan(500);
    }
  });

  it('show their age where they are not confirmed, and refuse what may be too old', async () => {
    const world = await started(3);
    const follower = world.followers[0] as TestMachine;
    await world.settle(world.leader.put('a', '1'));
    await world.clock.advanceAsync(500);
    const stale = await follower.get('a', { consistency: { level: 'stale' } });
    expect(stale.body).toBe('1');
    expect(stale.header.ageMs).toBeLessThan(400);
    world.isolate(follower);
    await world.clock.advanceAsync(3000);
    const bounded = (maxAgeMs: number) =>
      follower.get('a', { consistency: { level: 'bounded', maxAgeMs } });
    await expect(bounded(1000)).rejects.toMatchObject({ code: 'stale-unknown' });
    const { header } = await bounded(10_000);
    expect(header.ageMs).toBeGreaterThanOrEqual(3000);
    world.rejoin(follower);
  });

  it('of a restarted member have no known age before it was confirmed anew', async () => {
    const world = await started(3);
    const follower = world.followers[0] as TestMachine;
    await world.clock.advanceAsync(2000);
    await follower.kill();
    const missed = world.clock.monotonicMs();
    await world.settle(world.leader.put('a', 'new'));
    await world.clock.advanceAsync(1500);
    await follower.start();
    for (let step = 0; step < 1000; step += 1) {
      await world.clock.advanceAsync(1);
      const { body, header } = await follower.get('a', { consistency: { level: 'stale' } });
      if (body === 'new' || header.ageMs === undefined) continue;
      expect(header.ageMs).toBeGreaterThanOrEqual(world.clock.monotonicMs() - missed);
    }
  });

  it('wait for the revision that they are asked for', async () => {
    const world = await started(3);
    const follower = world.followers[0] as TestMachine;
    world.isolate(follower);
    const { header } = await world.settle(world.leader.put('a', 'mine'));
    const reading = follower.get('a', {
      consistency: { level: 'stale' },
      minRevision: header.revision,
    });
    await world.clock.advanceAsync(200);
    world.rejoin(follower);
    expect((await world.settle(reading)).body).toBe('mine');
  });

  it('that wait for a revision end when the member closes', async () => {
    const world = await started(1);
    const machine = world.machines[0] as TestMachine;
    const reading = machine.get('a', { minRevision: revision(999) });
    const refused = expect(reading).rejects.toMatchObject({ code: 'shutting-down' });
    await world.settle(machine.close());
    await refused;
  });

  it('go on through kills of the leader, with nothing acknowledged lost', async () => {
    const world = await started(3);
    const acknowledged = new Map<string, string>();
    for (let round = 0; round < 6; round += 1) {
      const old = world.leader;
      const writer = world.followers[0] as TestMachine;
      const inFlight = writer.put(`r${round}`, 'in flight').then(
        () => acknowledged.set(`r${round}`, 'in flight'),
        (error: HoldfastError) => expect(error.outcome).toBe('unknown'),
      );
      await world.clock.advanceAsync(round % 3);
      await old.kill();
      const beganMs = world.clock.monotonicMs();
      await world.settle(inFlight, 3000);
      await world.settle(writer.put('after', `${round}`), 3000);
      expect(world.clock.monotonicMs() - beganMs).toBeLessThan(2500);
      await old.start();
      await world.converge();
    }
    for (const [key, value] of acknowledged) {
      expect((await world.settle(world.leader.get(key))).body).toBe(value);
    }
  });
});

describe('the quota', () => {
  it('refuses puts, also those in transactions, and takes deletes and compactions', async () => {
    const world = await started(1, { quotaBytes: 2000 });
    const machine = world.machines[0] as TestMachine;
    await world.settle(machine.put('a', 'x'.repeat(3000)));
    await expect(machine.put('b', 'y')).rejects.toMatchObject({ code: 'quota-exceeded' });
    const put = putOperation(keysOf('b'), utf8('y'));
    const nested = txnRequest({ success: [txnOperation(txnRequest({ failure: [put] }))] });
    for (const txn of [txnRequest({ success: [put] }), nested]) {
      const refused = machine.engine.txn(txn, actor);
      await expect(refused).rejects.toMatchObject({ code: 'quota-exceeded' });
    }
    await world.settle(machine.engine.deleteRange(deleteRangeRequest(keysOf('a')), actor));
    const { revision: now } = machine.engine.status();
    await world.settle(machine.engine.compact({ revision: now }, actor));
    await world.settle(machine.put('b', 'y'));
  });
});

describe('watches', () => {
  it('give every change once and in order, on a member that lives through kills', async () => {
    const world = await started(3);
    const watcher = world.machines[2] as TestMachine;
    const stream = await watcher.engine.watch(keysOf('w', 'x'), actor);
    const watched = new Watched(stream);
    const wanted: string[] = [];
    for (let at = 0; at < 30; at += 1) {
      await world.settle(watcher.put(`w${at % 3}`, `${at}`));
      wanted.push(`${at}`);
      if (at % 10 !== 5) continue;
      const victim = world.machines[(at / 10) % 2 < 1 ? 0 : 1] as TestMachine;
      await victim.kill();
      await world.until(() => world.maybeLeader !== undefined, 5000);
      await victim.start();
    }
    await world.until(() => watched.values.length >= wanted.length);
    expect(watched.values).toEqual(wanted);
    stream.close();
    await world.until(() => watched.isOver);
  });

  it('lose nothing when the member gets a snapshot instead of the log', async () => {
    const world = await started(3, eager);
    const watcher = world.followers[0] as TestMachine;
    await putMany(world, () => world.leader, 3);
    await world.converge();
    const watched = new Watched(await watcher.engine.watch(keysOf('k', 'l'), actor));
    world.isolate(watcher);
    await putMany(world, () => world.leader, 120);
    expect(world.leader.engine.status().purgedIndex).toBeGreaterThan(
      watcher.engine.status().lastIndex,
    );
    world.rejoin(watcher);
    await world.converge();
    expect(watcher.engine.status().snapshotIndex).toBeGreaterThan(0);
    await world.until(() => watched.values.length >= 120);
    expect(watched.values.map((value) => Number(value.slice(200)))).toEqual(
      Array.from({ length: 120 }, (_, at) => at),
    );
  });

  it('end with the member', async () => {
    const world = await started(1);
    const machine = world.machines[0] as TestMachine;
    const watched = new Watched(await machine.engine.watch(keysOf('a'), actor));
    await world.clock.advanceAsync(1);
    await world.settle(machine.close());
    await world.until(() => watched.isOver, 100);
    expect(watched.error).toMatchObject({ code: 'shutting-down' });
  });

  it('whose caller goes away before the first item leave no cursor behind', async () => {
    const world = await started(1);
    const { engine } = world.machines[0] as TestMachine;
    const controller = new AbortController();
    await engine.watch(keysOf('a'), { ...actor, signal: controller.signal });
    expect(engine.status().counters.watchers).toBe(1);
    controller.abort();
    expect(engine.status().counters.watchers).toBe(0);
  });
});

describe('a member that comes back', () => {
  it('catches up by the log', async () => {
    const world = await started(3);
    const machine = world.followers[0] as TestMachine;
    await machine.kill();
    await putMany(world, () => world.leader, 20);
    await machine.start();
    await world.converge();
    expect(machine.engine.status().snapshotIndex).toBe(0);
  });

  it('catches up by a snapshot, and from there by the log', async () => {
    const world = await started(3, eager);
    const machine = world.followers[0] as TestMachine;
    await machine.kill();
    await putMany(world, () => world.leader, 100);
    await machine.start();
    await putMany(world, () => world.leader, 5);
    await world.converge();
    expect(machine.engine.status().snapshotIndex).toBeGreaterThan(0);
    await machine.restart();
    await world.converge();
  });

  it('on a wiped directory is refused by the cluster', async () => {
    const world = await started(3);
    const machine = world.followers[0] as TestMachine;
    const before = machine.storeId;
    await machine.wipe();
    await machine.start();
    expect(world.leader.engine.membership.acceptsStore(machine.id, machine.storeId ?? 0n)).toBe(
      false,
    );
    expect(world.leader.engine.membership.acceptsStore(machine.id, before ?? 0n)).toBe(true);
    await world.until(() => machine.fatal.length > 0);
    expect(machine.fatal).toHaveLength(1);
    expect(machine.fatal.splice(0)[0]).toBeInstanceOf(HoldfastError);
  });
});

describe('duties', () => {
  it('compact history on the leader, once a second', async () => {
    const world = await started(3, {
      compactionSettings: { historyRevisionsMax: 10, stepRevisionsMin: 1 },
    });
    await putMany(world, () => world.leader, 40);
    await world.clock.advanceAsync(1100);
    await world.converge();
    for (const { engine } of world.machines) {
      expect(engine.status().compactRevision).toBeGreaterThanOrEqual(30);
    }
  });
});

describe('with members gone', () => {
  it('one of three: everything goes on', async () => {
    const world = await started(3);
    await (world.followers[0] as TestMachine).kill();
    await world.settle(world.leader.put('a', '1'), 1000);
    await world.settle(world.leader.get('a'), 1000);
  });

  it('two of three: writes are refused within a second by name, stale reads answer', async () => {
    const world = await started(3);
    const last = world.leader;
    await world.settle(last.put('a', '1'));
    const names = world.followers.map(({ number }) => `n${number}`).sort();
    for (const machine of world.followers) await machine.kill();
    await world.clock.advanceAsync(1500);
    const beganMs = world.clock.monotonicMs();
    const refused = await world.settle(last.put('b', '2')).catch((error: unknown) => error);
    expect(world.clock.monotonicMs() - beganMs).toBeLessThanOrEqual(1000);
    expect(refused).toMatchObject({ code: 'no-quorum', details: { missingVoters: names } });
    expect(last.engine.status().notReadyReason).toContain(names.join(', '));
    const { body, header } = await last.get('a', { consistency: { level: 'stale' } });
    expect(body).toBe('1');
    expect(header.ageMs).toBeGreaterThan(1000);
  });

  it('a leader that closes hands over, and the others hardly notice', async () => {
    const world = await started(3);
    const leader = world.leader;
    const writer = world.followers[0] as TestMachine;
    const closing = leader.close();
    for (let at = 0; at < 20; at += 1) {
      const beganMs = world.clock.monotonicMs();
      await world.settle(writer.put('a', `${at}`));
      expect(world.clock.monotonicMs() - beganMs).toBeLessThan(150);
    }
    await world.settle(closing);
  });
});

describe('disks', () => {
  it('a full one on the leader costs no acknowledged write, and heals', async () => {
    const world = await started(3);
    const full = world.leader;
    await world.settle(full.put('a', '1'));
    full.disk.setFaults(({ kind, path }) =>
      kind === 'write' && path.includes('/log/') ? { kind: 'error', code: 'ENOSPC' } : undefined,
    );
    const other = world.followers[0] as TestMachine;
    await world.settle(other.put('a', '2')).catch(() => undefined);
    await world.until(() => world.maybeLeader !== undefined && world.maybeLeader !== full, 3000);
    await world.settle(other.put('a', '3'));
    expect([full, other].map(({ engine }) => engine.status().disk)).toEqual(['unable', 'well']);
    full.disk.setFaults(undefined);
    await world.until(() => full.engine.status().disk === 'well', 5000);
    await world.converge();
    expect((await world.settle(full.get('a'))).body).toBe('3');
  });

  it('a full one lets a member start, which waits where it must write', async () => {
    const world = await started(3);
    const full = world.followers[0] as TestMachine;
    await full.kill();
    const noRoom = { kind: 'error', code: 'ENOSPC' } as const;
    full.disk.setFaults(({ kind, path }) =>
      kind === 'write' && path.includes('/log/') ? noRoom : undefined,
    );
    let hasStarted = false;
    const starting = full.boot().then(() => {
      hasStarted = true;
    });
    await world.until(() => full.events.some((event) => event.type === 'problem'));
    await world.settle(world.leader.put('a', '1'));
    expect(hasStarted).toBe(false);
    full.disk.setFaults(undefined);
    await world.settle(starting);
    await world.converge();
    expect((await world.settle(full.get('a'))).body).toBe('1');
  });

  it('a failing one ends its member, once, and the others go on at once', async () => {
    const world = await started(3);
    const dead = world.leader;
    dead.disk.setFaults(({ kind }) =>
      kind === 'sync' ? { kind: 'error', code: 'EIO' } : undefined,
    );
    const writer = world.followers[0] as TestMachine;
    const beganMs = world.clock.monotonicMs();
    await world.settle(writer.put('a', '1')).catch(() => undefined);
    await world.until(() => dead.fatal.length > 0);
    await dead.kill();
    await world.settle(writer.put('a', '2'));
    expect(world.clock.monotonicMs() - beganMs).toBeLessThan(1500);
    expect(dead.fatal.splice(0)).toHaveLength(1);
  });
});
