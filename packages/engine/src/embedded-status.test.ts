// Goal: what a status says of the other members is known, or is not said. Method: whole members,
// one of which is dead when another one becomes the leader.
import { describe, expect, it } from 'vitest';

import { cleanWorlds, type TestMachine } from './embedded-engine.fixture.ts';

const worlds = cleanWorlds();

describe('the lag of a member', () => {
  it('that a new leader has not heard from yet is not known', async () => {
    const world = await worlds.started(5);
    for (let at = 0; at < 50; at += 1) await world.settle(world.leader.put(`k${at}`, 'v'));
    const [dead] = world.followers as [TestMachine];
    await dead.kill();
    for (let at = 0; at < 3; at += 1) await world.settle(world.leader.put(`l${at}`, 'v'));
    const lagOf = (one: TestMachine) =>
      world.leader.engine.status().peers.find(({ memberId }) => memberId === one.id)?.lag;
    expect(lagOf(dead)).toBe(3);
    await world.leader.kill();
    await world.until(() => world.maybeLeader !== undefined);
    await world.settle(world.leader.put('m', 'v'));
    await world.until(() => world.followers.every((one) => lagOf(one) === 0));
    expect(lagOf(dead)).toBeUndefined();
    await dead.start();
    await world.until(() => lagOf(dead) === 0);
  });
});
