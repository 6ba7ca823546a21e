// Goal: what a member promises its callers, whatever happens to its peers, its disk and itself.
// Method: whole replicas over memory twins on one clock that the test moves.
import { HoldfastError } from '@holdfast/base/errors';
import { index, type MemberId, requestId } from '@holdfast/base/ids';
import { afterEach, describe, expect, it } from 'vitest';
import type { ForwardResponse, PeerHandler, PeerTransport } from './ports.ts';
import { idOf, type TestMember, TestWorlds, watchEnd } from './replica.fixture.ts';

const worlds = new TestWorlds();

afterEach(async () => {
  expect(await worlds.close()).toBe(0);
});

/** Holds back what members say to each other, as a slow network does. */
class HeldAnswers {
  readonly held: (readonly ForwardResponse[])[] = [];
  handler: PeerHandler | undefined;
  isHolding = true;

  readonly around = (transport: PeerTransport): PeerTransport => ({
    start: (handler) => {
      this.handler = handler;
      return transport.start({
        onMessage: (message) => handler.onMessage(message),
        onForward: (from, requests) => handler.onForward(from, requests),
        onForwarded: (from, responses) => {
          if (this.isHolding) this.held.push(responses);
          else handler.onForwarded(from, responses);
        },
        onPeerEvent: (event) => handler.onPeerEvent(event),
        onSnapshot: (incoming) => handler.onSnapshot(incoming),
      });
    },
    send: (message) => transport.send(message),
    forward: (to, requests) => transport.forward(to, requests),
    forwarded: (to, responses) => transport.forwarded(to, responses),
    sendSnapshot: (outgoing) => transport.sendSnapshot(outgoing),
    isConnected: (peer) => transport.isConnected(peer),
    close: () => transport.close(),
  });
}

describe('writes', () => {
  it('reach every log in one order, from whichever member', async () => {
    const world = await worlds.started(3);
    const all = world.members.map((member, at) => member.propose(`w${at}`));
    for (const proposed of all) await world.settle(proposed);
    await world.until(() => world.members.every(({ stateMachine: s }) => s.commands.length === 3));
    const [first, second, third] = world.members.map(({ stateMachine }) => stateMachine.commands);
    expect(second).toEqual(first);
    expect(third).toEqual(first);
  });

  it('of a leader that is cut off end as unknown, and take effect once or not at all', async () => {
    const world = await worlds.started(3);
    const old = world.leader;
    world.isolate(old);
    const ending = watchEnd(world, old.propose('lost'));
    await world.until(() => ending.atMs !== undefined, 3000);
    expect(ending.error).toMatchObject({ code: 'leadership-lost', outcome: 'unknown' });
    world.rejoin(old);
    await world.settle(old.propose('later'));
    await world.settle(old.replica.readBarrier());
    expect(old.stateMachine.commands).toEqual(['later']);
  });

  it('that were overwritten say so: they have no effect', async () => {
    const world = await worlds.started(3);
    const old = world.leader;
    world.isolate(old);
    const ending = watchEnd(world, old.propose('overwritten'));
    const others = world.members.filter((member) => member !== old);
    await world.until(() => others.some(({ replica }) => replica.isLeader), 5000);
    const next = others.find(({ replica }) => replica.isLeader) as TestMember;
    await world.settle(next.propose('instead'));
    world.rejoin(old);
    await world.until(() => ending.atMs !== undefined, 3000);
    expect(ending.error).toMatchObject({ code: 'leadership-lost' });
    expect(next.stateMachine.commands).toEqual(['instead']);
  });

  it('that a follower forwarded end soon when the leader dies, not at the forward timeout', async () => {
    const world = await worlds.started(3);
    const { leader, followers } = world;
    const follower = followers[0] as TestMember;
    world.peers.cut(leader.id, idOf(1));
    world.peers.cut(leader.id, idOf(2));
    world.peers.cut(leader.id, idOf(3));
    world.peers.heal(leader.id, follower.id);
    const ending = watchEnd(world, follower.propose('half-way'));
    await world.clock.advanceAsync(1);
    await leader.crash();
    await world.until(() => ending.atMs !== undefined, 2000);
    expect(ending.error ?? ending.value).toBeDefined();
  });

  it('that a follower forwarded end soon when the connection to the leader is lost', async () => {
    const held = new Map([1, 2, 3].map((number) => [idOf(number), new HeldAnswers()]));
    const heldOf = (id: MemberId): HeldAnswers => held.get(id) as HeldAnswers;
    const world = await worlds.started(3, (number) => ({ around: heldOf(idOf(number)).around }));
    const [follower] = world.followers as [TestMember];
    const answers = heldOf(follower.id);
    const leaderId = world.leader.id;
    const { term } = follower.replica;
    const startMs = world.clock.monotonicMs();
    const ending = watchEnd(world, follower.propose('half-way'));
    await world.until(() => answers.held.length > 0);
    const handler = answers.handler as PeerHandler;
    handler.onPeerEvent({ type: 'unreachable', peer: leaderId, refused: false });
    await world.clock.advanceAsync(1);
    const later = watchEnd(world, follower.propose('afterwards'));
    await world.until(() => ending.atMs !== undefined, 2000);
    expect(ending.error).toMatchObject({ code: 'unavailable', outcome: 'unknown' });
    expect((ending.error as HoldfastError).message).toMatch(/connection to the leader was lost/);
    expect((ending.atMs ?? 0) - startMs).toBeLessThan(1500);
    // What was asked for since then is none of that loss's.
    expect([later.error, follower.replica.term]).toEqual([undefined, term]);
    answers.isHolding = false;
  });

  it('are not answered by what an earlier boot had asked for', async () => {
    const answers = new HeldAnswers();
    const world = await worlds.started(3, () => ({ around: answers.around }));
    answers.isHolding = false;
    const follower = world.followers[0] as TestMember;
    const leaderId = world.leader.id;
    answers.isHolding = true;
    const first = watchEnd(world, follower.propose('before'));
    await world.until(() => answers.held.length > 0);
    await world.settle(follower.restart());
    await world.until(() => follower.replica.status().raft?.leader === leaderId);
    const second = watchEnd(world, follower.propose('after'));
    await world.clock.advanceAsync(2);
    const handler = answers.handler as PeerHandler;
    for (const responses of answers.held.splice(0, 1)) handler.onForwarded(leaderId, responses);
    await world.clock.advanceAsync(0);
    expect([first, second.value]).toEqual([{}, undefined]);
    answers.isHolding = false;
  });

  it('wait out the hand-over of a leader that closes', async () => {
    const world = await worlds.started(3);
    const { leader, followers } = world;
    const follower = followers[0] as TestMember;
    const closing = leader.replica.close();
    const all: ReturnType<typeof watchEnd>[] = [];
    for (let at = 0; at < 20; at += 1) {
      all.push(watchEnd(world, follower.propose(`w${at}`)));
      await world.clock.advanceAsync(2);
    }
    await world.settle(closing);
    await world.until(() => all.every(({ atMs }) => atMs !== undefined), 3000);
    expect(all.filter(({ error }) => error !== undefined)).toEqual([]);
  });

  it('of a closing leader are answered before it goes', async () => {
    const world = await worlds.started(3);
    const { leader } = world;
    const ending = watchEnd(world, leader.propose('last'));
    await world.settle(leader.replica.close());
    expect(ending.value).toMatchObject({ result: 1 });
  });

  it('that a peer forwards as garbage are refused, and end nobody', async () => {
    const all: HeldAnswers[] = [];
    const world = await worlds.started(3, () => {
      const answers = new HeldAnswers();
      answers.isHolding = false;
      all.push(answers);
      return { around: answers.around };
    });
    const { leader } = world;
    const { term } = leader.replica;
    const garbage = { requestId: requestId(1n), term, body: new Uint8Array(5) };
    for (const { handler } of all) handler?.onForward(idOf(2), [garbage]);
    await world.settle(leader.propose('goes on'));
    expect(leader.stateMachine.commands).toEqual(['goes on']);
  });

  it('are refused when too many are under way', async () => {
    const world = await worlds.started(3, () => ({ settings: { proposalsMax: 2 } }));
    const { leader } = world;
    const two = [leader.propose('1'), leader.propose('2')];
    await expect(leader.propose('3')).rejects.toMatchObject({ code: 'resource-exhausted' });
    for (const one of two) await world.settle(one);
  });

  it('leave nothing behind when their callers go away', async () => {
    const world = await worlds.started(3);
    const { leader, followers } = world;
    const controller = new AbortController();
    for (const member of world.members) world.isolate(member);
    await world.until(() => leader.replica.status().raft?.leader === undefined, 3000);
    const timers = world.clock.pendingCount;
    const endings = [leader, followers[0] as TestMember].flatMap((member) => [
      watchEnd(world, member.propose('x', controller.signal)),
      watchEnd(world, member.replica.readBarrier(controller.signal)),
    ]);
    controller.abort(new Error('gone'));
    for (let turn = 0; turn < 20; turn += 1) await Promise.resolve();
    expect(endings.every(({ error }) => error !== undefined)).toBe(true);
    expect(world.clock.pendingCount).toBe(timers);
  });
});

describe('without a quorum', () => {
  it('a call is refused at once, and told who is missing', async () => {
    const world = await worlds.started(3);
    const { leader, followers } = world;
    for (const member of followers) await member.crash();
    await world.until(() => !leader.replica.isLeader, 3000);
    await world.clock.advanceAsync(1300);
    const [write, read] = [
      watchEnd(world, leader.propose('x')),
      watchEnd(world, leader.replica.readBarrier()),
    ];
    const beganMs = world.clock.monotonicMs();
    await world.clock.advanceAsync(0);
    const missingVoters = followers.map(({ id }) => `n${id}`).sort();
    for (const { error, atMs } of [write, read]) {
      expect(error).toMatchObject({ code: 'no-quorum', outcome: 'not-applied' });
      expect((error as HoldfastError).details).toEqual({ missingVoters });
      expect(atMs).toBe(beganMs);
    }
  });

  it('a member that has just started waits the usual time, however long its recovery took', async () => {
    const world = worlds.make(3);
    const member = world.members[0] as TestMember;
    const { open } = member.log;
    let release = (): void => undefined;
    member.log.open = async () => {
      await new Promise<void>((resolve) => {
        release = resolve;
      });
      return await open.call(member.log);
    };
    const starting = member.replica.start();
    await world.clock.advanceAsync(60_000);
    release();
    await starting;
    const ending = watchEnd(world, member.propose('x'));
    await world.clock.advanceAsync(500);
    expect(ending).toEqual({});
    await world.until(() => ending.atMs !== undefined, 500);
    expect(ending.error).toBeInstanceOf(HoldfastError);
    await Promise.all(world.members.slice(1).map(({ replica }) => replica.start()));
  });
});

describe('reads', () => {
  it('see what any member has acknowledged before', async () => {
    const world = await worlds.started(3);
    const [a, b] = world.followers as [TestMember, TestMember];
    for (let at = 0; at < 10; at += 1) {
      await world.settle(a.propose(`w${at}`));
      await world.settle(b.replica.readBarrier());
      expect(b.stateMachine.commands).toContain(`w${at}`);
    }
  });

  it('that wait for the apply loop are refused at a close, not answered from an old state', async () => {
    const world = await worlds.started(3);
    const { leader } = world;
    const behind = index(leader.applied + 100);
    const ending = watchEnd(world, leader.replica.untilApplied(behind));
    await world.settle(leader.replica.close());
    expect(ending.error).toMatchObject({ code: 'shutting-down' });
  });

  it('of a member whose disk has failed end, before and after', async () => {
    let isFailing = false;
    const world = await worlds.started(3, (number) => ({
      duringSync: () => {
        if (isFailing && number === 1) throw new Error('EIO');
      },
    }));
    const member = world.members[0] as TestMember;
    isFailing = true;
    const before = watchEnd(world, member.replica.readBarrier());
    await world.settle((world.members[1] as TestMember).propose('x')).catch(() => undefined);
    await world.until(() => member.fatal.length > 0);
    const after = watchEnd(world, member.replica.readBarrier());
    const write = watchEnd(world, member.propose('y'));
    await world.clock.advanceAsync(1);
    expect(before.atMs).toBeDefined();
    expect(after.error).toMatchObject({ code: 'shutting-down' });
    expect(write.error).toMatchObject({ code: 'shutting-down', outcome: 'not-applied' });
  });
});

describe('the age of a state', () => {
  it('is unknown after a restart, whatever the leader remembers of the former boot', async () => {
    const world = await worlds.started(3);
    const follower = world.followers[0] as TestMember;
    await world.clock.advanceAsync(2000);
    expect(follower.replica.ageMs).toBeLessThan(400);
    await world.settle(follower.restart());
    const startedMs = world.clock.monotonicMs();
    let claims = 0;
    for (let step = 0; step < 600; step += 1) {
      await world.clock.advanceAsync(1);
      const { ageMs } = follower.replica;
      if (ageMs === undefined) continue;
      claims += 1;
      // Nothing that this boot knows can be confirmed as of before its start.
      expect(ageMs).toBeLessThanOrEqual(world.clock.monotonicMs() - startedMs);
    }
    expect(claims).toBeGreaterThan(100);
  });

  it('grows while a member is cut off, and is small again after', async () => {
    const world = await worlds.started(3);
    const follower = world.followers[0] as TestMember;
    await world.clock.advanceAsync(500);
    world.isolate(follower);
    await world.clock.advanceAsync(5000);
    expect(follower.replica.ageMs).toBeGreaterThanOrEqual(5000);
    world.rejoin(follower);
    await world.clock.advanceAsync(2000);
    expect(follower.replica.ageMs).toBeLessThan(400);
  });
});

describe('takeSnapshot', () => {
  it('waits for the core to be told of a sync that the log has counted already', async () => {
    const held: (() => void)[] = [];
    let isHolding = false;
    const world = await worlds.started(3, () => ({
      afterSync: async () => {
        if (isHolding) await new Promise<void>((resolve) => held.push(resolve));
      },
    }));
    const { leader } = world;
    isHolding = true;
    const write = watchEnd(world, leader.propose('x'));
    await world.clock.advanceAsync(50);
    // The log of each has it, and nobody was told.
    expect([leader.log.marks.persisted.index, write.atMs]).toEqual([leader.applied + 1, undefined]);
    // Two tell the leader, which commits and applies it before it knows that its own log has it.
    for (const release of held.splice(1)) release();
    isHolding = false;
    await world.until(() => write.atMs !== undefined);
    const taking = watchEnd(world, leader.replica.takeSnapshot());
    await world.clock.advanceAsync(50);
    expect(leader.replica.marks?.persisted).toBeLessThan(leader.applied);
    expect(taking.atMs).toBeUndefined();
    held[0]?.();
    await world.until(() => taking.atMs !== undefined);
    expect(leader.replica.status().snapshotIndex).toBe(leader.applied);
  });
});

describe('a cluster in which heartbeats pass and writes do not', () => {
  it('is told on every member when three idle commits are missing, and all is well after', async () => {
    let isStuck = false;
    const held: (() => void)[] = [];
    const world = await worlds.started(3, () => ({
      idleCommitMs: 1000,
      duringSync: async () => {
        if (isStuck) await new Promise<void>((resolve) => held.push(resolve));
      },
    }));
    const { leader } = world;
    const stalls = () => world.members.map(({ replica }) => replica.status().stalledMs);
    await world.clock.advanceAsync(20_000);
    expect(stalls()).toEqual([undefined, undefined, undefined]);
    isStuck = true;
    await world.clock.advanceAsync(2900);
    expect(stalls()).toEqual([undefined, undefined, undefined]);
    await world.clock.advanceAsync(1300);
    // The same leader is still followed.
    expect(leader.replica.isLeader).toBe(true);
    for (const stalledMs of stalls()) expect(stalledMs).toBeGreaterThan(3000);
    isStuck = false;
    for (const release of held) release();
    await world.clock.advanceAsync(1100);
    expect(stalls()).toEqual([undefined, undefined, undefined]);
  });
});

describe('a follower whose own way to the leader is cut', () => {
  it('keeps leader and term as they are, and says that it is its way that may be cut', async () => {
    const world = await worlds.started(3);
    const { leader } = world;
    const follower = world.followers[0] as TestMember;
    const term = leader.replica.term;
    world.peers.cut(leader.id, follower.id);
    await world.clock.advanceAsync(3000);
    expect(follower.replica.status().leaderUnheard).toBeUndefined();
    await world.clock.advanceAsync(7000);
    expect([leader.replica.isLeader, leader.replica.term]).toEqual([true, term]);
    const { leaderUnheard, quorumReachable } = follower.replica.status();
    expect(quorumReachable).toBe(true);
    expect(leaderUnheard).toMatch(/no leader was heard here for \d+ s.*may be cut; ask another/);
    const write = watchEnd(world, follower.propose('x'));
    await world.until(() => write.atMs !== undefined);
    expect(write.error).toMatchObject({
      code: 'no-leader',
      message: expect.stringMatching(/may be cut/),
    });
    world.peers.heal(leader.id, follower.id);
    await world.clock.advanceAsync(2000);
    expect(follower.replica.status().leaderUnheard).toBeUndefined();
    await world.settle(follower.propose('y'));
    expect(leader.replica.term).toBe(term);
  });
});
