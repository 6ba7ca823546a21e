// Goal: a way that was dark for a while and is lit again is used again at once, not when TCP next
// tries (safety.md 18); and a peer that only stands still, or is far away, keeps its connections
// . Method: meshes on a memory network that sends again as a kernel does, under traffic of a
// frame each 100 ms.
import { describe, expect, it } from 'vitest';
import { HeldNetwork } from './held-network.fixture.ts';
import { MemoryNetwork } from './memory-link.ts';
import { type TestMember, World } from './peer-mesh.fixture.ts';

/** TCP itself is no later after the short ones; the others are dialled anew. */
const usedAgainMs = 1500;

const retransmitting = (latencyMs = 1): World =>
  new World({ latencyMs: () => latencyMs, retransmits: true });

const evicted = (member: TestMember): readonly string[] =>
  member.notes.flatMap((note) => (note.type === 'evicted' ? [note.reason] : []));

/** Both say something on both connections, ten times a second; the words are numbers. */
async function talk(world: World, [first, second]: readonly [TestMember, TestMember], ms: number) {
  for (let passed = 0; passed < ms; passed += 100) {
    for (const on of ['control', 'log'] as const) {
      first.send(2, `${on} ${world.clock.monotonicMs()}`, on);
      second.send(1, `${on} ${world.clock.monotonicMs()}`, on);
    }
    await world.pass(100);
  }
}

/** Milliseconds until a word of after `sinceMs` has arrived both ways on both connections. */
async function untilUsed(world: World, pair: readonly [TestMember, TestMember]): Promise<number> {
  const sinceMs = world.clock.monotonicMs();
  const isNew = (frame: string): boolean => Number(frame.split(' ')[1]) >= sinceMs;
  const hears = ({ frames }: TestMember): boolean =>
    ['control', 'log'].every((on) => frames.some((frame) => frame.includes(on) && isNew(frame)));
  while (!pair.every(hears)) {
    await talk(world, pair, 100);
    if (world.clock.monotonicMs() - sinceMs > 30_000) throw new Error('never');
  }
  return world.clock.monotonicMs() - sinceMs;
}

describe('a way that is lit again', () => {
  // At some of them the kernel sends a request again just when the way is lit.
  it.each([1600, 2100, 3300, 3400, 3900, 4200, 4400, 4900, 5500, 6400, 6800, 7400, 9000, 12_300])(
    'after %s ms of darkness is used again within 1.5 s',
    async (darkMs) => {
      const world = retransmitting();
      const pair = await world.pair();
      await talk(world, pair, 1000);
      world.network.block('h1', 'h2');
      world.network.block('h2', 'h1');
      await talk(world, pair, darkMs);
      world.network.unblock('h1', 'h2');
      world.network.unblock('h2', 'h1');
      expect(await untilUsed(world, pair)).toBeLessThanOrEqual(usedAgainMs);
      await world.close();
    },
  );

  it('one direction alone, as well', async () => {
    const world = retransmitting();
    const pair = await world.pair();
    await talk(world, pair, 1000);
    world.network.block('h1', 'h2');
    await talk(world, pair, 3300);
    world.network.unblock('h1', 'h2');
    expect(await untilUsed(world, pair)).toBeLessThanOrEqual(usedAgainMs);
    await world.close();
  });
});

it('a late answer to a ping of before the darkness is no answer to what was lost', async () => {
  const world = retransmitting(20);
  const pair = await world.pair();
  await talk(world, pair, 1000);
  // A ping is on its way from the first to the second then; its answer comes after the heal.
  await world.pass(330);
  world.network.block('h2', 'h1');
  await talk(world, pair, 3100);
  world.network.block('h1', 'h2');
  await talk(world, pair, 3000);
  await world.pass(50);
  world.network.unblock('h1', 'h2');
  world.network.unblock('h2', 'h1');
  expect(await untilUsed(world, pair)).toBeLessThanOrEqual(usedAgainMs);
  await world.close();
});

describe('connections that are left alone', () => {
  it('those to a peer that stands still for 2 s', async () => {
    const world = retransmitting();
    const held = new HeldNetwork(world.network.host('h2'));
    const pair = [await world.start(1), await world.start(2, { network: held })] as const;
    await world.pass(600);
    await talk(world, pair, 1000);
    const [first] = pair;
    held.hold();
    await talk(world, pair, 2000);
    held.release();
    await talk(world, pair, 5000);
    expect(evicted(first)).toEqual([]);
    expect(first.statusOf(2).health.state.name).toBe('healthy');
    await world.close();
  });

  it('those to a peer that is far away', async () => {
    const world = retransmitting(700);
    const pair = await world.pair();
    await world.pass(5000);
    await talk(world, pair, 20_000);
    expect([...evicted(pair[0]), ...evicted(pair[1])]).toEqual([]);
    await world.close(5000);
  });

  it('idle ones, which are pinged no more often than before', async () => {
    const world = retransmitting();
    const [first] = await world.pair();
    const before = first.statusOf(2).sent.frames;
    await world.pass(45_000);
    // Of control and log together: a ping each 4.5 s, as there is nothing else.
    expect(first.statusOf(2).sent.frames - before).toBeLessThanOrEqual(22);
    await world.close();
  });
});

it('the memory network sends again as a kernel does, and at once where it is not told to', async () => {
  for (const [retransmits, expectedMs] of [
    [true, 400],
    [false, 0],
  ] as const) {
    const world = new World({ retransmits });
    expect(world.network).toBeInstanceOf(MemoryNetwork);
    const pair = await world.pair();
    world.network.block('h1', 'h2');
    pair[0].send(2, 'held');
    // Sent again after 0.2, 0.6 and 1.4 s.
    await world.pass(1000);
    world.network.unblock('h1', 'h2');
    const ms = await world.until(() => pair[1].frames.includes('1:held'));
    expect(Math.abs(ms - expectedMs)).toBeLessThanOrEqual(20);
    await world.close();
  }
});
