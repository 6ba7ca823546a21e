// Goal: what is proposed together is replicated together (C-18). Method: bursts on a leader of
// three over memory twins; what it sends to each follower is counted.
import { afterEach, describe, expect, it } from 'vitest';
import type { PeerTransport } from './ports.ts';
import { type TestWorld, TestWorlds } from './replica.fixture.ts';

const worlds = new TestWorlds();
afterEach(async () => {
  expect(await worlds.close()).toBe(0);
});

/** Of each follower: messages with entries, and the entries in them. */
type Sent = Map<bigint, { messages: number; entries: number }>;

function counting(sent: Sent): (inner: PeerTransport) => PeerTransport {
  return (inner) => ({
    start: (handler) => inner.start(handler),
    send: (message) => {
      if (message.type === 'append-entries' && message.entries.length > 0) {
        const count = sent.get(message.to) ?? { messages: 0, entries: 0 };
        count.messages += 1;
        count.entries += message.entries.length;
        sent.set(message.to, count);
      }
      return inner.send(message);
    },
    forward: (to, requests) => inner.forward(to, requests),
    forwarded: (to, responses) => inner.forwarded(to, responses),
    sendSnapshot: (outgoing) => inner.sendSnapshot(outgoing),
    isConnected: (peer) => inner.isConnected(peer),
    close: () => inner.close(),
  });
}

async function burst(world: TestWorld, count: number, through = world.leader): Promise<void> {
  const all = Array.from({ length: count }, (_, at) => through.propose(`w${at}`));
  await world.settle(Promise.all(all));
  await world.until(() => world.members.every(({ applied }) => applied === world.leader.applied));
}

describe('a burst of proposals', () => {
  it.each([100, 1000])('of %i travels in a tenth as many messages at most', async (count) => {
    const sent: Sent = new Map();
    const world = await worlds.started(3, () => ({ around: counting(sent) }));
    sent.clear();
    await burst(world, count);
    expect(sent.size).toBe(2);
    for (const { messages, entries } of sent.values()) {
      expect(entries).toBe(count);
      expect(messages).toBeLessThanOrEqual(count / 10);
    }
  });

  it('travels so also where a follower took it in', async () => {
    const sent: Sent = new Map();
    const world = await worlds.started(3, () => ({ around: counting(sent) }));
    sent.clear();
    await burst(world, 500, world.followers[0]);
    for (const { messages } of sent.values()) expect(messages).toBeLessThanOrEqual(50);
  });

  it('needs no message an entry while answers are slow to come', async () => {
    const sent: Sent = new Map();
    const world = await worlds.started(3, () => ({ around: counting(sent) }));
    const follower = world.followers[0];
    if (!follower) throw new Error('there are two');
    world.peers.cut(world.leader.id, follower.id);
    await burstOfMajority(world, 400);
    sent.clear();
    world.peers.heal(world.leader.id, follower.id);
    await world.until(() => follower.applied === world.leader.applied);
    expect(sent.get(follower.id)?.messages).toBeLessThanOrEqual(40);
  });
});

async function burstOfMajority(world: TestWorld, count: number): Promise<void> {
  const { leader } = world;
  await world.settle(
    Promise.all(Array.from({ length: count }, (_, at) => leader.propose(`w${at}`))),
  );
}
