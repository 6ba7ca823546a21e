// Mistakes with data directories.
import { mkdirSync, readdirSync, renameSync, rmSync, truncateSync } from 'node:fs';
import { join } from 'node:path';
import { ProcessMember, placeArgs, until } from '../process-cluster.ts';
import { raiseVersion } from '../raised-version.ts';
import { copyDirectory, logOf, type Mistake, type Scene } from './scene.ts';

export const directoryMistakes: readonly Mistake[] = [
  {
    did: "gives a member another one's directory",
    becomes: 'refused: one of the two would vote twice',
    says: /belongs to the member named n2, not to n1/,
    make: async (scene) => {
      const [n1, n2] = scene.members;
      const { peer } = n1.place;
      const flags = { name: 'n1', 'data-dir': n2.place.dataDir, 'listen-peer': peer };
      const start = () => scene.startAlone({ ...flags, 'initial-cluster': scene.initialCluster });
      return await scene.whileDown(n1, () => scene.whileDown(n2, start));
    },
  },
  {
    did: "starts on the directory of another cluster's member",
    becomes: 'refused, with both clusters',
    says: /belongs to cluster/,
    make: (scene) => {
      const dataDir = scene.path('another');
      copyDirectory(scene.members[0].place.dataDir, dataDir);
      return scene.startAlone({ 'data-dir': dataDir });
    },
  },
  {
    did: 'runs a copy of a directory on a second machine',
    becomes: 'the others listen to one of the two, and the other one is told why not',
    says: /two run from copies of one directory|has been seen/,
    make: copied,
  },
  {
    did: 'puts an older copy of a directory back',
    becomes: 'the others do not listen to it: it has lost what was acknowledged since',
    says: /an older copy was put back/,
    make: putBack,
  },
  {
    did: 'comes back with an empty directory under the old name',
    becomes: 'the others do not listen to it: it has forgotten its votes',
    says: /one that was wiped can not take its place/,
    make: (scene) =>
      spoilt(scene, /one that was wiped can not take its place/, (dataDir) => {
        rmSync(dataDir, { recursive: true });
        mkdirSync(dataDir);
      }),
  },
  {
    did: 'deletes the identity file',
    becomes: 'refused: a new one would let a member vote that has voted',
    says: /the identity file is gone/,
    make: (scene) =>
      spoilt(scene, /the identity file is gone/, (dataDir) => rmSync(join(dataDir, 'identity'))),
  },
  {
    did: 'deletes the log of a stopped member, to make room',
    becomes: 'it repairs from the others, and votes again when it has everything',
    says: /repair/,
    make: (scene) =>
      mended(scene, /repair/, (dataDir) => rmSync(join(dataDir, logPath), { recursive: true })),
  },
  {
    did: 'deletes the file with term and vote',
    becomes: 'refused: it might vote a second time',
    says: /the status file is older than the log/,
    make: (scene) =>
      spoilt(scene, /the status file is older than the log/, (dataDir) =>
        rmSync(join(dataDir, 'groups/0/status')),
      ),
  },
  {
    did: 'cuts a file of the log short',
    becomes: 'what is missing comes from the others',
    says: /damaged|repair|durable/,
    make: (scene) =>
      mended(scene, /damaged|repair|durable/, (dataDir) => {
        const folder = join(dataDir, logPath);
        const newest = readdirSync(folder).findLast((name) => name.endsWith('.seg')) ?? '';
        truncateSync(join(folder, newest), 600);
      }),
  },
  {
    did: 'starts an older version on the data of a newer one',
    becomes: 'refused, and the data left as it is',
    says: /format 99.*start the version that wrote it/,
    make: (scene) =>
      spoilt(scene, /format 99/, (dataDir) => raiseVersion(join(dataDir, 'identity'))),
  },
  {
    did: 'kills all members at once',
    becomes: 'they come back with all that was acknowledged',
    says: /"msg":"ready"/,
    make: async (scene) => {
      await Promise.all(scene.members.map((member) => member.kill()));
      for (const member of scene.members) member.start();
      await scene.cluster.ready();
      return await scene.hears(scene.members[0], /"msg":"ready"/);
    },
  },
];

const logPath = 'groups/0/log';

/** A follower whose directory is spoilt; what it says, and the directory back. */
async function spoilt(
  scene: Scene,
  says: RegExp,
  spoil: (dataDir: string) => void,
): Promise<string> {
  const [member] = await scene.followers();
  return await scene.whileSpoilt(member, async () => {
    spoil(member.place.dataDir);
    member.start();
    return await scene.hears(member, says);
  });
}

/** The same, where the member mends itself. */
async function mended(
  scene: Scene,
  says: RegExp,
  spoil: (dataDir: string) => void,
): Promise<string> {
  const [member] = await scene.followers();
  const before = logOf(member).length;
  await scene.whileDown(member, () => spoil(member.place.dataDir));
  const lines = logOf(member).slice(before).split('\n');
  return lines.find((line) => says.test(line)) ?? lines.join('\n');
}

async function copied(scene: Scene): Promise<string> {
  const [member] = await scene.followers();
  const place = await scene.newPlace();
  rmSync(place.dataDir, { recursive: true });
  copyDirectory(member.place.dataDir, place.dataDir);
  const copy = new ProcessMember(place, placeArgs({ ...place, name: member.place.name }));
  copy.start();
  const says = /two run from copies of one directory|has been seen/;
  const said = await Promise.any([scene.hears(copy, says), scene.hears(member, says)]);
  await copy.kill();
  // Its word counts again once it has been started more often than the copy.
  for (let start = 0; start < 2; start += 1) {
    const before = logOf(member).length;
    await member.kill();
    member.start();
    // A start that is ended before it has counted itself does not count.
    const hasCounted = (): boolean => /"taking part in/.test(logOf(member).slice(before));
    await until(async () => hasCounted(), { timeoutMs: 30_000, what: () => logOf(member) });
  }
  await scene.cluster.ready();
  return said;
}

async function putBack(scene: Scene): Promise<string> {
  const [member] = await scene.followers();
  const { dataDir } = member.place;
  const [older, newest] = [`${dataDir}.older`, `${dataDir}.newest`];
  await scene.whileDown(member, () => copyDirectory(dataDir, older));
  return await scene.whileDown(member, async () => {
    renameSync(dataDir, newest);
    renameSync(older, dataDir);
    member.start();
    const said = await scene.hears(member, /an older copy was put back/);
    await member.kill();
    rmSync(dataDir, { recursive: true });
    renameSync(newest, dataDir);
    return said;
  });
}
