// Goal: a member ends whenever it is told to, whole, and once; and one whose disk fails ends by
// itself while the others go on. Method: as in replica.test.ts, with close() at every point of a
// life.
import { HoldfastError } from '@holdfast/base/errors';
import { afterEach, describe, expect, it } from 'vitest';
import { type TestMember, TestWorlds, watchEnd } from './replica.fixture.ts';

const worlds = new TestWorlds();

afterEach(async () => {
  expect(await worlds.close()).toBe(0);
});

describe('close', () => {
  it('ends once, and everybody who asked waits for that end', async () => {
    const world = await worlds.started(3);
    const { replica } = world.leader;
    const [first, second] = [watchEnd(world, replica.close()), watchEnd(world, replica.close())];
    await world.until(() => first.atMs !== undefined && second.atMs !== undefined, 2000);
    expect(second.atMs).toBe(first.atMs);
  });

  it('needs no more than the hand-over takes while no leader can be elected', async () => {
    const world = await worlds.started(3);
    for (const member of world.members) world.isolate(member);
    await world.clock.advanceAsync(3000);
    const { replica } = world.members[0] as TestMember;
    const waiting = [watchEnd(world, replica.readBarrier())];
    const ending = watchEnd(world, replica.close());
    await world.clock.advanceAsync(0);
    expect(ending.atMs).toBe(world.clock.monotonicMs());
    expect(waiting[0]?.error).toBeInstanceOf(HoldfastError);
  });

  it('takes a snapshot where the next start would have more to replay than it may', async () => {
    const world = await worlds.started(3, () => ({ settings: { snapshotAtStopEntries: 5 } }));
    const member = world.followers[0] as TestMember;
    for (const text of ['a', 'b']) await world.settle(world.leader.propose(text));
    await world.until(() => member.applied === world.leader.applied);
    await world.settle(member.replica.close());
    expect(await member.snapshots.open()).toEqual([]);
    await member.restart();
    for (const text of ['c', 'd', 'e', 'f']) await world.settle(world.leader.propose(text));
    await world.until(() => member.applied === world.leader.applied);
    const { applied } = member;
    await world.settle(member.replica.close());
    expect((await member.snapshots.open())[0]?.last.index).toBe(applied);
  });

  it('before the start, and after a start that failed, ends as well', async () => {
    const world = worlds.make(1);
    const member = world.members[0] as TestMember;
    member.log.open = () => Promise.reject(new HoldfastError('corrupt', 'damaged'));
    await expect(member.replica.start()).rejects.toMatchObject({ code: 'corrupt' });
    await member.replica.close();
    expect(world.clock.pendingCount).toBe(0);
  });

  it('during recovery ends the start, and leaves nothing running', async () => {
    const world = worlds.make(1);
    const member = world.members[0] as TestMember;
    const { open } = member.log;
    let release = (): void => undefined;
    member.log.open = async () => {
      await new Promise<void>((resolve) => {
        release = resolve;
      });
      return await open.call(member.log);
    };
    const starting = watchEnd(world, member.replica.start());
    await world.clock.advanceAsync(1);
    const closing = member.replica.close();
    release();
    await world.settle(closing, 100);
    await world.clock.advanceAsync(0);
    expect(starting.error).toMatchObject({ code: 'shutting-down' });
    expect(world.clock.pendingCount).toBe(0);
  });

  it('ends a member that has never become ready', async () => {
    const world = worlds.make(3);
    const member = world.members[0] as TestMember;
    await member.replica.start();
    await world.clock.advanceAsync(2000);
    expect(member.replica.status().isReady).toBe(false);
    await world.settle(member.replica.close(), 100);
    expect(world.clock.pendingCount).toBe(0);
  });

  it('at any moment of a start ends in nothing left over', async () => {
    for (let afterMs = 0; afterMs < 40; afterMs += 1) {
      const world = worlds.make(3);
      const starts = world.members.map(({ replica }) => replica.start().catch(() => undefined));
      await world.clock.advanceAsync(afterMs * 25);
      await world.settle(Promise.all(world.members.map(({ replica }) => replica.close())), 3000);
      await Promise.all(starts);
      expect(await worlds.close()).toBe(0);
    }
  });

  it('leaves no snapshot that is ahead of the synced log', async () => {
    let isStuck = false;
    let release = (): void => undefined;
    const world = await worlds.started(3, (number) => ({
      duringSync: () => {
        if (!isStuck || number !== 1) return;
        return new Promise<void>((resolve) => {
          release = resolve;
        });
      },
    }));
    const member = world.members[0] as TestMember;
    if (!member.replica.isLeader) {
      world.leader.replica.transferLeadership(member.id);
      await world.until(() => member.replica.isLeader);
    }
    isStuck = true;
    await world.settle(member.propose('committed by the others'));
    const taking = watchEnd(world, member.replica.takeSnapshot());
    await world.clock.advanceAsync(1);
    const persisted = member.log.marks.persisted.index;
    expect(member.applied).toBeGreaterThan(persisted);
    const closing = member.replica.close();
    await world.clock.advanceAsync(1000);
    isStuck = false;
    release();
    await world.settle(closing);
    expect(taking.atMs).toBeDefined();
    const [newest] = await member.snapshots.open();
    expect(newest?.last.index ?? 0).toBeLessThanOrEqual(member.log.marks.persisted.index);
  });
});

describe('a disk that fails', () => {
  it('before the member is ready lets the event loop live', async () => {
    const world = worlds.make(3, (number) => ({
      duringSync: () => {
        if (number === 1) throw new Error('EIO');
      },
    }));
    await Promise.all(world.members.map(({ replica }) => replica.start()));
    const member = world.members[0] as TestMember;
    await world.until(() => member.fatal.length > 0);
    await world.until(() => world.members.slice(1).every((one) => one.replica.status().isReady));
    expect(member.replica.status().isReady).toBe(false);
  });

  it('ends the leader, which has another one elected at once', async () => {
    let failing: number | undefined;
    const world = await worlds.started(3, (number) => ({
      duringSync: () => {
        if (failing === number) throw new Error('EIO');
      },
    }));
    const old = world.leader;
    failing = Number(old.id);
    const beganMs = world.clock.monotonicMs();
    const ending = watchEnd(world, old.propose('x'));
    await world.until(() => old.fatal.length > 0);
    const others = world.members.filter((member) => member !== old);
    await world.until(() => others.some(({ replica }) => replica.isLeader), 3000);
    expect(world.clock.monotonicMs() - beganMs).toBeLessThan(100);
    expect(old.fatal).toHaveLength(1);
    await world.until(() => ending.atMs !== undefined, 2000);
    await world.settle((others[0] as TestMember).propose('goes on'));
  });

  it('that is full ends nothing: the leader hands over, votes, and catches up when there is room', async () => {
    let isFull = false;
    let who = 0;
    const world = await worlds.started(3, (number) => ({
      duringSync: () => {
        if (isFull && number === who) throw new HoldfastError('disk-full', 'no space left');
      },
    }));
    const full = world.leader;
    who = Number(full.id);
    isFull = true;
    await world.settle(full.propose('x')).catch(() => undefined);
    await world.until(() => world.members.some((m) => m !== full && m.replica.isLeader), 3000);
    // One of the other two goes: only with the full one's vote is there a leader again.
    const gone = world.leader;
    await gone.crash();
    const rest = world.members.find((m) => m !== full && m !== gone) as TestMember;
    const saved = watchEnd(
      world,
      world.until(() => rest.replica.isLeader, 2500),
    );
    await world.until(() => saved.atMs !== undefined, 2600);
    expect(saved.error).toBeUndefined();
    isFull = false;
    await world.settle(rest.propose('y'), 5000);
    await world.until(() => full.stateMachine.commands.includes('y'), 5000);
    expect(full.fatal).toEqual([]);
  });

  it('that is full does not keep a member from closing', async () => {
    let isFull = false;
    const world = await worlds.started(3, (number) => ({
      duringSync: () => {
        if (isFull && number === 1) throw new HoldfastError('disk-full', 'no space left');
      },
    }));
    isFull = true;
    await world.settle(world.leader.propose('x')).catch(() => undefined);
    await world.clock.advanceAsync(50);
    const member = world.members[0] as TestMember;
    const ending = watchEnd(world, member.replica.close());
    await world.until(() => ending.atMs !== undefined, 600);
    expect(member.fatal).toEqual([]);
  });
});
