// Goal: a member that is being sent a snapshot goes on voting and acknowledging from the log that
// it has, until the switch (safety.md 6, D-16); a transfer goes on where it broke off, with the
// same snapshot, whatever the leader takes meanwhile (D-14). Method: three members over memory
// twins, the stream or the loading held up by the test.
import { HoldfastError } from '@holdfast/base/errors';
import { afterEach, describe, expect, it } from 'vitest';
import type { OutgoingSnapshot, PeerTransport } from './ports.ts';
import { type TestMember, type TestWorld, TestWorlds } from './replica.fixture.ts';

const worlds = new TestWorlds();
afterEach(async () => {
  expect(await worlds.close()).toBe(0);
});

type Sent = { readonly index: number; readonly offset: number };

/** Looks at each chunk that leaves, and may hold it up or break the stream there. */
class Tap {
  readonly sent: Sent[] = [];
  onChunk: (number: number) => Promise<void> | void = () => undefined;

  around(inner: PeerTransport): PeerTransport {
    return {
      start: (handler) => inner.start(handler),
      send: (message) => inner.send(message),
      forward: (to, requests) => inner.forward(to, requests),
      forwarded: (to, responses) => inner.forwarded(to, responses),
      sendSnapshot: (outgoing) => inner.sendSnapshot(this.#tapped(outgoing)),
      isConnected: (peer) => inner.isConnected(peer),
      close: () => inner.close(),
    };
  }

  #tapped(outgoing: OutgoingSnapshot): OutgoingSnapshot {
    return {
      ...outgoing,
      chunksFrom: (offset) => {
        this.sent.push({ index: outgoing.snapshot.last.index, offset });
        return this.#watched(outgoing.chunksFrom(offset));
      },
    };
  }

  async *#watched(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    let number = 0;
    for await (const chunk of chunks) {
      number += 1;
      await this.onChunk(number);
      yield chunk;
    }
  }
}

class Gate {
  open: () => void = () => undefined;
  readonly #opened = new Promise<void>((resolve) => {
    this.open = resolve;
  });
  isReached = false;

  async pass(): Promise<void> {
    this.isReached = true;
    await this.#opened;
  }
}

async function write(world: TestWorld, count: number): Promise<void> {
  for (let at = 0; at < count; at += 1)
    await world.settle(world.leader.propose(`v${at}`.padEnd(40)));
}

/** A follower is away, and the leader's log, alone, begins behind its end. */
async function leaveBehind(world: TestWorld): Promise<TestMember> {
  const behind = world.followers[0] as TestMember;
  await write(world, 3);
  await world.until(() => behind.applied === world.leader.applied);
  world.isolate(behind);
  await leaveAlone(world, behind);
  return behind;
}

/** Nothing but a snapshot will help the member that is away. */
async function leaveAlone(world: TestWorld, behind: TestMember): Promise<void> {
  for (let round = 0; round < 2; round += 1) {
    await write(world, 10);
    await world.settle(world.leader.replica.takeSnapshot());
  }
  expect(world.leader.log.marks.purged.index).toBeGreaterThan(behind.applied);
}

const tapped = async (settings = {}): Promise<{ world: TestWorld; tap: Tap }> => {
  const tap = new Tap();
  const world = await worlds.started(3, () => ({ settings, around: (one) => tap.around(one) }));
  return { world, tap };
};

/** Without the old leader, the third member needs the vote and the acknowledgement of `behind`. */
async function proveThatItServes(world: TestWorld, behind: TestMember): Promise<void> {
  const old = world.leader;
  await old.crash();
  const others = world.members.filter((member) => member !== old);
  await world.until(() => others.some(({ replica }) => replica.isLeader));
  const leader = others.find(({ replica }) => replica.isLeader) as TestMember;
  expect(leader).not.toBe(behind);
  await world.settle(leader.propose('after'));
  await world.until(() => behind.applied === leader.applied);
  expect(behind.stateMachine.commands).toEqual(leader.stateMachine.commands);
  expect(behind.stateMachine.commands.at(-1)).toBe('after');
}

describe('a member that is being sent a snapshot', () => {
  it('votes and acknowledges from its own log while the stream hangs', async () => {
    const { world, tap } = await tapped();
    const behind = await leaveBehind(world);
    const gate = new Gate();
    tap.onChunk = (number) => (number === 3 ? gate.pass() : undefined);
    world.rejoin(behind);
    await world.until(() => gate.isReached);
    await world.until(() => behind.replica.status().install !== undefined);
    await proveThatItServes(world, behind);
    expect(behind.replica.status().install).toMatchObject({ step: 'receiving' });
    gate.open();
    await world.until(() => behind.replica.status().install === undefined);
  });

  it('votes and acknowledges while it is loaded, and then keeps what its log has got', async () => {
    const { world } = await tapped();
    const behind = await leaveBehind(world);
    const gate = new Gate();
    const { stateMachine } = behind;
    const prepare = stateMachine.prepare.bind(stateMachine);
    stateMachine.prepare = async (last, chunks) => {
      await gate.pass();
      return prepare(last, chunks);
    };
    world.rejoin(behind);
    await world.until(() => gate.isReached);
    await proveThatItServes(world, behind);
    const { marks } = behind.log;
    const { commands } = stateMachine;
    gate.open();
    await world.until(() => behind.replica.status().install === undefined);
    expect([behind.log.marks, stateMachine.commands]).toEqual([marks, commands]);
    expect(behind.fatal).toEqual([]);
  });

  it('gets there when nothing is in the way, and follows by entries', async () => {
    const { world, tap } = await tapped();
    const behind = await leaveBehind(world);
    world.rejoin(behind);
    await world.until(() => behind.applied === world.leader.applied);
    await write(world, 3);
    await world.until(() => behind.applied === world.leader.applied);
    expect(tap.sent).toHaveLength(1);
    expect(behind.replica.status()).toMatchObject({
      install: undefined,
      snapshotIndex: tap.sent[0]?.index,
    });
  });

  it('is not switched to an image whose state is not what its header says', async () => {
    const { world, tap } = await tapped();
    const behind = await leaveBehind(world);
    const { stateMachine } = behind;
    const prepare = stateMachine.prepare.bind(stateMachine);
    let tries = 0;
    stateMachine.prepare = async (last, chunks) => {
      const prepared = await prepare(last, chunks);
      tries += 1;
      return tries === 1 ? { ...prepared, stateHash: 1n } : prepared;
    };
    world.rejoin(behind);
    await world.until(() => behind.applied === world.leader.applied);
    expect(tries).toBe(2);
    expect(tap.sent).toHaveLength(2); // A fresh one: nothing of what had come was kept.
    expect(stateMachine.commands).toEqual(world.leader.stateMachine.commands);
  });
});

describe('a snapshot that brings other members', () => {
  it('makes its receiver one of them, also after a restart (D-07)', async () => {
    const world = await worlds.started(4);
    const behind = world.followers[0] as TestMember;
    const others = world.members.filter((member) => member !== behind).map(({ id }) => id);
    const configurationOf = (member: TestMember) => member.replica.status().raft?.configuration;
    const changed = { voters: others, learners: [behind.id] };
    world.isolate(behind);
    world.leader.replica.changeMembership(changed);
    await world.until(() => configurationOf(world.leader)?.learners.length === 1);
    await leaveAlone(world, behind);
    expect(configurationOf(behind)).toMatchObject({ learners: [] });
    world.rejoin(behind);
    await world.until(() => behind.applied === world.leader.applied);
    expect(behind.replica.status().snapshotIndex).toBeGreaterThan(0);
    expect(configurationOf(behind)).toEqual(configurationOf(world.leader));
    expect(configurationOf(behind)).toMatchObject(changed);
    await behind.restart();
    await world.until(() => behind.replica.status().raft !== undefined);
    expect(configurationOf(behind)).toMatchObject(changed);
    // Nobody asks it any more, and it asks nobody: it is no voter.
    world.isolate(behind);
    const { term } = behind.replica;
    for (let waitedMs = 0; waitedMs < 5000; waitedMs += 100) await world.clock.advanceAsync(100);
    expect(behind.replica.term).toBe(term);
    await write(world, 1);
  });
});

describe('a transfer that breaks', () => {
  it('goes on with the same snapshot, behind what has arrived, though newer ones are taken', async () => {
    const { world, tap } = await tapped();
    const behind = await leaveBehind(world);
    tap.onChunk = (number) => {
      if (tap.sent.length < 3 && number === 4) throw new HoldfastError('unavailable', 'cut');
    };
    const taken = world.leader.replica.status().snapshotIndex;
    world.rejoin(behind);
    for (let tries = 1; tries <= 2; tries += 1) {
      await world.until(() => tap.sent.length >= tries);
      await write(world, 10);
      await world.settle(world.leader.replica.takeSnapshot());
    }
    await world.until(() => behind.applied === world.leader.applied);
    expect(tap.sent.map(({ index }) => index)).toEqual([taken, taken, taken]);
    const offsets = tap.sent.map(({ offset }) => offset);
    expect(offsets[0]).toBe(0);
    expect(offsets[1]).toBeGreaterThan(0);
    expect(offsets[2]).toBeGreaterThan(offsets[1] ?? 0);
    expect(world.leader.replica.status().snapshotIndex).toBeGreaterThan(taken);
  });

  it('keeps a snapshot, and the log behind it, for no peer for ever', async () => {
    const { world, tap } = await tapped();
    const behind = await leaveBehind(world);
    tap.onChunk = () => {
      throw new HoldfastError('unavailable', 'cut');
    };
    const taken = world.leader.replica.status().snapshotIndex;
    world.rejoin(behind);
    await world.until(() => tap.sent.length === 1);
    world.isolate(behind);
    for (let round = 0; round < 8; round += 1) {
      await write(world, 5);
      await world.settle(world.leader.replica.takeSnapshot());
    }
    expect(world.leader.log.marks.purged.index).toBeGreaterThan(taken);
    expect(await world.leader.snapshots.open()).toHaveLength(2);
    tap.onChunk = () => undefined;
    world.rejoin(behind);
    await world.until(() => behind.applied === world.leader.applied);
    expect(tap.sent.at(-1)?.index).toBeGreaterThan(taken);
  });
});
