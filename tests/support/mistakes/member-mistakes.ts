// Mistakes with who belongs to the cluster.
import { setTimeout as delay } from 'node:timers/promises';
import { change, rowsAt } from '../changing-cluster.ts';
import { type ProcessMember, until } from '../process-cluster.ts';
import type { Mistake, Scene } from './scene.ts';

export const memberMistakes: readonly Mistake[] = [
  {
    did: 'joins at the port for peers',
    becomes: 'refused, with the port that is meant',
    says: /not the one for peers/,
    make: (scene) => scene.startAlone({ join: scene.members[0].place.peer }),
  },
  {
    did: 'joins under the name of a member',
    becomes: 'refused',
    says: /there is a member named n2/,
    make: (scene) => scene.startAlone({ name: 'n2', join: scene.members[0].place.client }),
  },
  {
    did: 'joins with the peer address of a member',
    becomes: 'refused',
    says: /each member has a peer address of its own/,
    make: (scene) => {
      const [n1, n2] = scene.members;
      return scene.startAlone({ join: n1.place.client, 'advertise-peer': n2.place.peer });
    },
  },
  {
    did: 'removes somebody who is no member',
    becomes: 'refused, with those who are',
    says: /is no member of this cluster; its members are/,
    make: (scene) => scene.asked('member', 'remove', 'n7'),
  },
  {
    did: 'removes a member while another one is down',
    becomes: 'refused: the majority would be gone',
    says: /cost the cluster its majority/,
    make: (scene) => whileOneIsDown(scene, 'remove'),
  },
  {
    did: 'lets a member only observe while another one is down',
    becomes: 'refused: the majority would be gone',
    says: /cost the cluster its majority/,
    make: (scene) => whileOneIsDown(scene, 'demote'),
  },
  {
    did: 'hands leadership to a member that is down',
    becomes: 'refused, and the leader goes on',
    says: /is no voter that can be reached/,
    make: async (scene) => {
      const [dead, other] = await scene.followers();
      return await scene.whileDown(dead, async () => {
        await delay(noticeMs);
        const to = dead.place.name;
        return await scene.refused('member', 'transfer', to, '--endpoints', other.place.client);
      });
    },
  },
  {
    did: 'promotes an observer that is stopped',
    becomes: 'refused: a voter that is missing would be one more that may not fail',
    says: /is not reachable now|has not caught up/,
    make: (scene) =>
      withObserver(scene, async (observer) => {
        await observer.kill();
        await delay(noticeMs);
        return await scene.asked('member', 'promote', observer.place.name);
      }),
  },
  {
    did: 'starts a machine that was removed',
    becomes: 'it ends by itself, with exit code 10',
    says: /was removed from the cluster/,
    make: (scene) =>
      withObserver(scene, async (observer) => {
        await observer.kill();
        await change(scene.members[0], { remove: [observer.place.name] });
        observer.start();
        await observer.exited();
        return await scene.hears(observer, /was removed from the cluster/);
      }),
  },
];

/** After an election timeout whoever is silent counts as missing. */
const noticeMs = 1500;

async function whileOneIsDown(scene: Scene, kind: 'remove' | 'demote'): Promise<string> {
  const [dead, other] = await scene.followers();
  return await scene.whileDown(dead, async () => {
    await delay(noticeMs);
    const { name, client } = other.place;
    return await scene.refused('member', kind, name, '--endpoints', client);
  });
}

let observers = 0;

/** One that joins, and is gone afterwards. */
async function withObserver(
  scene: Scene,
  work: (observer: ProcessMember) => Promise<string>,
): Promise<string> {
  observers += 1;
  const [via] = scene.members;
  const observer = await scene.cluster.join(`o${observers}`, via, ['--observer']);
  const { name } = observer.place;
  const isThere = async (): Promise<boolean> =>
    (await rowsAt(via)).some((row) => row.name === name) && (await observer.isReady());
  await until(isThere, { timeoutMs: 20_000, what: () => observer.log });
  const said = await work(observer);
  await observer.kill();
  await change(via, { remove: [name] });
  return said;
}
