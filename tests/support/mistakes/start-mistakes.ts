// Mistakes in how a member is started.
import { writeFileSync } from 'node:fs';
import type { Mistake } from './scene.ts';

export const startMistakes: readonly Mistake[] = [
  {
    did: 'mistypes a flag',
    becomes: 'the flag is named, with the one that was meant',
    says: /unknown option '--nmae'[\s\S]*Did you mean --name/,
    make: (scene) => scene.refused('start', '--nmae', 'n1'),
  },
  {
    did: 'mistypes a key of the settings file',
    becomes: 'the key is named, with the one that was meant',
    says: /hartbeat-ms.*heartbeat-ms/,
    make: (scene) => {
      writeFileSync(scene.path('holdfast.yaml'), 'hartbeat-ms: 100\n');
      return scene.startAlone({ config: scene.path('holdfast.yaml') });
    },
  },
  {
    did: 'leaves the own name out of --initial-cluster',
    becomes: 'refused before anything is made',
    says: /lists n1, n2, n3, but not this member, alone/,
    make: (scene) => scene.startAlone({ 'initial-cluster': scene.initialCluster }),
  },
  {
    did: 'names a member twice in --initial-cluster',
    becomes: 'refused',
    says: /names alone twice/,
    make: (scene) => scene.startAlone({ 'initial-cluster': 'alone=127.0.0.1:1,alone=127.0.0.1:2' }),
  },
  {
    did: 'gives two members one address',
    becomes: 'refused',
    says: /gives alone and other the same address/,
    make: (scene) => scene.startAlone({ 'initial-cluster': 'alone=127.0.0.1:1,other=127.0.0.1:1' }),
  },
  {
    did: 'listens on a port that is in use',
    becomes: 'refused, with the port and the flag',
    says: /another process listens at .* choose another --listen-client/,
    make: (scene) => scene.startAlone({ 'listen-client': scene.members[0].place.client }),
  },
  {
    did: 'opens an unprotected port to everybody',
    becomes: 'refused, until it is said aloud',
    says: /--insecure/,
    make: (scene) =>
      scene.startAlone({ 'listen-client': '0.0.0.0:0', 'advertise-client': '127.0.0.1:1' }),
  },
  {
    did: 'sets a heartbeat as long as the election timeout',
    becomes: 'refused: every heartbeat that is a little late would cost an election',
    says: /--heartbeat-ms is at most a third/,
    make: (scene) => scene.startAlone({ 'heartbeat-ms': '600', 'election-min-ms': '600' }),
  },
  {
    did: 'names a file as data directory',
    becomes: 'refused',
    says: /can not be made/,
    make: (scene) => {
      writeFileSync(scene.path('a-file'), '');
      return scene.startAlone({ 'data-dir': scene.path('a-file') });
    },
  },
  {
    did: 'starts the member that runs once more',
    becomes: 'refused, with the process that is there',
    says: /is in use by process \d+/,
    make: (scene) => {
      const { name, dataDir, peer } = scene.members[0].place;
      const flags = { name, 'data-dir': dataDir, 'listen-peer': peer };
      return scene.startAlone({ ...flags, 'initial-cluster': scene.initialCluster });
    },
  },
  {
    did: 'adds a machine to --initial-cluster of one that runs, and starts that one again',
    becomes: 'refused: that names another cluster; machines are added by --join',
    says: /belongs to cluster/,
    make: async (scene) => {
      const [member] = await scene.followers();
      return await scene.whileDown(member, async () => {
        member.start(['--initial-cluster', `${scene.initialCluster},n9=127.0.0.1:9`]);
        await member.exited();
        return await scene.hears(member, /belongs to cluster/);
      });
    },
  },
];
