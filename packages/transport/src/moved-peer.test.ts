// Goal: a member that comes back at another address is found there by those who know its old one
// alone, and nothing else that a peer says of its address leads anybody astray. Method: meshes on
// the memory network, one of which is closed and begins again on another host.
import { expect, it } from 'vitest';
import { identityOf, idOf, type TestMember, World } from './peer-mesh.fixture.ts';

async function moved(world: World, old: TestMember, address: string): Promise<TestMember> {
  const closing = old.mesh.close();
  await world.pass(1000);
  await closing;
  world.network.kill('h2');
  return await world.start(2, {
    network: world.network.host('h9'),
    listenAddress: 'h9:4654',
    identity: { ...identityOf(2, 2), address },
  });
}

it('a member that has moved is found as soon as it has dialled', async () => {
  const world = new World();
  const [first, second] = await world.pair();
  const elsewhere = await moved(world, second, 'h9:4654');
  await world.until(() => first.mesh.isConnected(idOf(2)));
  first.send(2, 'found');
  first.send(2, 'found', 'log');
  await world.pass(50);
  expect(elsewhere.frames).toEqual(['1:found', '1:found']);
  expect(first.statusOf(2).health.address).toBe('h9:4654');
  await world.close();
});

it.each(['', 'nowhere', 'h9:0'])('%j is no address, and changes nothing', async (address) => {
  const world = new World();
  const [first, second] = await world.pair();
  await moved(world, second, address);
  await world.pass(3000);
  expect(first.statusOf(2).health.address).toBe('h2:4654');
  await world.close();
});
