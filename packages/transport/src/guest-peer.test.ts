// Goal: whoever introduces itself as a member is answered, though its cluster's word of it has not
// arrived here yet: a newcomer asks for votes, too. Method: meshes on the memory network, some of
// which a first one has not been told of.
import { expect, it } from 'vitest';
import { identityOf, idOf, type TestMember, World } from './peer-mesh.fixture.ts';

const placeOf = (id: number) => ({ memberId: idOf(id), address: `h${id}:4654` });

function newcomer(world: World, id: number): Promise<TestMember> {
  return world.start(id, { identity: { ...identityOf(id), address: `h${id}:4654` } });
}

it('a member that is not known yet is answered as long as it is connected', async () => {
  const world = new World();
  const [first] = await world.pair();
  const third = await newcomer(world, 3);
  await world.until(() => first.mesh.isConnected(idOf(3)));
  first.send(3, 'granted');
  await world.pass(50);
  expect(third.frames).toEqual(['1:granted']);
  // What is heard of the others meanwhile says nothing about it.
  first.mesh.setPeers([placeOf(1), placeOf(2)]);
  first.send(3, 'again');
  await world.pass(50);
  expect(third.frames).toEqual(['1:granted', '1:again']);
  await world.stop(third);
  expect(first.mesh.status.peers.map(({ peer }) => peer)).toEqual([idOf(2)]);
  await world.close();
});

it('such a member is kept for good once the cluster knows it', async () => {
  const world = new World();
  const [first] = await world.pair();
  const third = await newcomer(world, 3);
  await world.until(() => first.mesh.isConnected(idOf(3)));
  first.mesh.setPeers([placeOf(1), placeOf(2), placeOf(3)]);
  await world.stop(third);
  expect(first.mesh.status.peers.map(({ peer }) => peer)).toEqual([idOf(2), idOf(3)]);
  await world.close();
});

it('a crowd of such members is answered up to a bound', async () => {
  const world = new World();
  const first = await world.start(1);
  for (let id = 100; id < 140; id += 1) await newcomer(world, id);
  await world.pass(1000);
  expect(first.mesh.status.peers.length).toBe(1 + 16);
  await world.close();
});
