// Goal: what a member promises its callers, whatever happens to its peers, its disk and itself.
// Method: whole replicas over memory twins on one clock that the test moves.
import { afterEach, describe, expect, it } from 'vitest';
import { type TestMemberOptions, TestWorld } from './replica.fixture.ts';

const worlds: TestWorld[] = [];

async function newWorld(
  size: number,
  optionsOf?: (number: number) => TestMemberOptions,
): Promise<TestWorld> {
  const world = new TestWorld(size, optionsOf);
  worlds.push(world);
  await world.start();
  return world;
}

afterEach(async () => {
  for (const world of worlds.splice(0)) {
    await world.close();
    expect(world.clock.pendingCount).toBe(0);
  }
});

describe('a replica', () => {
  it('puts what is proposed anywhere into every log, in one order', async () => {
    const world = await newWorld(3);
    const all = world.members.map((member, at) => member.propose(`w${at}`));
    for (const proposed of all) await world.settle(proposed);
    await world.until(() => world.members.every(({ stateMachine: s }) => s.commands.length === 3));
    const [first, second, third] = world.members.map(({ stateMachine }) => stateMachine.commands);
    expect(second).toEqual(first);
    expect(third).toEqual(first);
  });
});
