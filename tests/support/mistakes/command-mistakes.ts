// Mistakes on the command line, beside a cluster that runs.
import { writeFileSync } from 'node:fs';
import { holdfast } from '../process-cluster.ts';
import type { Mistake } from './scene.ts';

export const commandMistakes: readonly Mistake[] = [
  {
    did: 'asks the port for peers',
    becomes: 'told that nobody answers there as a client expects it',
    says: /its port for peers/,
    make: (scene) =>
      scene.refused('status', '--endpoints', scene.members[0].place.peer, '--timeout', '2s'),
  },
  {
    did: 'reads a revision that is not kept any more',
    becomes: 'told from which one on it can be read',
    says: /compacted/,
    make: async (scene) => {
      const [member] = scene.members;
      await member.put('/v1/kv/old', '1');
      const { revision } = (await (await member.put('/v1/kv/old', '2')).json()) as {
        readonly revision: number;
      };
      await fetch(`${member.url}/v1/compact`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ revision }),
      });
      return await scene.asked('kv', 'get', 'old', '--revision', String(revision - 1));
    },
  },
  {
    did: 'writes over what somebody else has written meanwhile',
    becomes: 'refused with --if-revision, and nothing is written',
    says: /revision/,
    make: async (scene) => {
      await scene.members[0].put('/v1/kv/mine', 'theirs');
      return await scene.asked('kv', 'put', 'mine', 'mine', '--if-revision', '1');
    },
  },
  {
    did: 'looks into the directory of a member that runs',
    becomes: 'refused: what is read would change',
    says: /Stop that member first/,
    make: (scene) => scene.refused('verify', scene.members[0].place.dataDir),
  },
  {
    did: 'verifies a folder in which nobody has lived',
    becomes: 'told so, and not that it is sound',
    says: /is no member's data directory/,
    make: (scene) => scene.refused('verify', scene.cluster.root),
  },
  {
    did: 'restores a backup over the directory of a member',
    becomes: 'refused: nothing is overwritten',
    says: /in use by process|holds something already/,
    make: async (scene) => {
      const [follower] = await scene.followers();
      const file = scene.path('a.backup');
      await scene.cluster.ready();
      const { client, dataDir } = follower.place;
      await holdfast(['backup', file, '--force', '--endpoints', client]);
      return await scene.whileDown(follower, () =>
        scene.refused('restore', file, '--data-dir', dataDir),
      );
    },
  },
  {
    did: 'restores a file that is no backup',
    becomes: 'refused, and no directory is made of it',
    says: /no backup|is not a/,
    make: (scene) => {
      writeFileSync(scene.path('notes.txt'), 'not a backup at all');
      const into = scene.path('from-notes');
      return scene.refused('restore', scene.path('notes.txt'), '--data-dir', into);
    },
  },
  {
    did: 'takes a majority for lost that is there',
    becomes: 'refused, with the voters that answer',
    says: /this cluster has its majority/,
    make: async (scene) => {
      const [follower] = await scene.followers();
      const { dataDir } = follower.place;
      const flags = ['--accept-loss', '--into', scene.path('recovered')];
      return await scene.whileDown(follower, () =>
        scene.refused('recover-quorum', dataDir, ...flags),
      );
    },
  },
];
