// Goal: nothing that a peer sends enters a damaged log before it is proven, and whatever peers do,
// the repair goes on until it is done (safety.md 5). Method: replicas over memory twins; the peers
// of the damaged one answer as they should, in other bytes, or not at all.
import { index, requestId, term } from '@holdfast/base/ids';
import { ManualClock } from '@holdfast/base/manual-clock';
import { SeededRandom } from '@holdfast/base/seeded-random';
import type { LogRange } from '@holdfast/raft/message';
import { afterEach, expect, it } from 'vitest';
import { LogRepair } from './log-repair.ts';
import type { PeerTransport } from './ports.ts';
import { envelopeOf, type TestMember, type TestWorld, TestWorlds } from './replica.fixture.ts';

const worlds = new TestWorlds();

afterEach(async () => {
  expect(await worlds.close()).toBe(0);
});

type Change = (range: LogRange) => LogRange | undefined;

/** Answers about lost ranges pass through here; undefined = lost on the way. */
let change: Change = (range) => range;

const around = (transport: PeerTransport): PeerTransport => ({
  start: (handler) => transport.start(handler),
  send: (message) => {
    const sent = message.type === 'log-range' ? change(message) : message;
    if (sent) transport.send(sent);
  },
  forward: (to, requests) => transport.forward(to, requests),
  forwarded: (to, responses) => transport.forwarded(to, responses),
  sendSnapshot: (outgoing) => transport.sendSnapshot(outgoing),
  isConnected: (peer) => transport.isConnected(peer),
  close: () => transport.close(),
});

/** Three members with 20 entries; the first is damaged from 5 on, the third dead. */
async function damaged(
  isEndKnown = true,
): Promise<[TestWorld, TestMember, TestMember, TestMember]> {
  change = (range) => range;
  const world = await worlds.started(3, () => ({ around }));
  for (let at = 0; at < 20; at += 1) await world.settle(world.leader.propose(`e${at}`));
  await world.until(() => world.members.every((one) => one.applied === world.leader.applied));
  const [rotten, peer, dead] = world.members as [TestMember, TestMember, TestMember];
  for (const member of world.members) await member.crash();
  rotten.log.rot(index(5), isEndKnown);
  return [world, rotten, peer, dead];
}

const isRepairing = ({ replica }: TestMember): boolean | undefined =>
  replica.status().raft?.repairing;

it('takes the range back from the one peer that is left, and leads or follows again', async () => {
  const [world, rotten, peer] = await damaged();
  await rotten.restart();
  expect(rotten.status.saved?.state.repairing?.goal?.end.id.index).toBe(21);
  await peer.restart();
  await world.until(() => rotten.replica.status().isReady && peer.replica.status().isReady);
  expect(rotten.status.saved?.state.repairing).toBeUndefined();
  expect(rotten.applied).toBe(peer.applied);
});

it('takes nothing in whose chain is another one, and goes on when a peer sends the right bytes', async () => {
  const [world, rotten, peer] = await damaged();
  await rotten.restart();
  change = (range) => {
    if (range.result !== 'entries') return range;
    const [first, ...rest] = range.entries;
    return first && { ...range, entries: [{ ...first, payload: envelopeOf('other') }, ...rest] };
  };
  await peer.restart();
  await world.clock.advanceAsync(10_000);
  expect(isRepairing(rotten)).toBe(true);
  expect(rotten.log.marks.accepted).toEqual({ index: 4, term: term(1) });
  change = (range) => range;
  await world.until(() => isRepairing(rotten) === false, 30_000);
  expect(rotten.log.marks.persisted.index).toBeGreaterThanOrEqual(21);
});

it('asks again where answers are lost, and begins anew after a crash in the middle', async () => {
  const [world, rotten, peer] = await damaged();
  let answers = 0;
  change = (range) => {
    answers += 1;
    return answers % 3 === 0 ? range : undefined;
  };
  await rotten.restart();
  await peer.restart();
  await world.until(() => answers > 1);
  await rotten.restart();
  await world.until(() => isRepairing(rotten) === false, 60_000);
});

it('leaves it to a leader where the files do not tell the old end', async () => {
  const [world, rotten, peer, dead] = await damaged(false);
  await rotten.restart();
  await peer.restart();
  await world.clock.advanceAsync(10_000);
  expect(isRepairing(rotten)).toBe(true);
  expect(rotten.replica.status().repair).toBeUndefined();
  await dead.restart();
  await world.until(() => isRepairing(rotten) === false);
});

it('damage in the middle of a repair leaves it to a leader: nobody knows the older end', async () => {
  const [world, rotten] = await damaged();
  await rotten.restart();
  await rotten.crash();
  rotten.log.rot(index(3));
  await rotten.restart();
  expect(rotten.status.saved?.state.repairing).toEqual({ target: 0 });
  for (const member of world.members.slice(1)) await member.restart();
  await world.until(() => isRepairing(rotten) === false);
});

it('waits before it says again that the log is whole, while the core does not know it yet', async () => {
  const clock = new ManualClock();
  const id = { index: index(5), term: term(1) };
  const place = { id, chain: 1 };
  const stopping = new AbortController();
  let said = 0;
  const repair = new LogRepair({
    raft: {
      leader: undefined,
      hardState: {
        term: term(1),
        vote: undefined,
        repairing: { target: index(0), goal: { after: place, end: place } },
      },
      holds: () => true,
    },
    log: {
      marks: { purged: { index: index(0), term: term(0) }, accepted: id, persisted: id },
      chainAfter: () => 1,
    },
    clock,
    random: new SeededRandom(1),
    peers: () => [],
    newRequestId: () => requestId(1n),
    send: () => undefined,
    step: () => {
      said += 1;
      if (said === 50) stopping.abort(); // Else it would never end.
    },
    persisted: () => Promise.resolve(),
  });
  const running = repair.run(stopping.signal);
  await clock.advanceAsync(300);
  expect(said).toBe(1);
  await clock.advanceAsync(1000);
  expect(said).toBeGreaterThan(1);
  expect(said).toBeLessThan(20);
  stopping.abort();
  await running;
});
