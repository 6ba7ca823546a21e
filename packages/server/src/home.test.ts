// Whose directory it is. Goal: nothing that has taken part is ever forgotten by a refusal, and a
// list of peers that is lost comes back by asking. Method: a disk in memory, and a cluster that is
// a function.
import { HoldfastError } from '@holdfast/base/errors';
import { clusterId, memberId } from '@holdfast/base/ids';
import { SeededRandom } from '@holdfast/base/seeded-random';
import { TaskGroup } from '@holdfast/base/task-group';
import { makeGroup } from '@holdfast/engine/data-directory';
import type { Newcomer } from '@holdfast/engine/member-plan';
import { MemoryDisk } from '@holdfast/storage/memory-disk';
import { expect, it, onTestFinished } from 'vitest';

import { HomeKeeper } from './home.ts';
import { readSettings } from './settings.ts';

const first = { memberId: memberId(7n), name: 'n1', peerAddress: '10.0.0.1:4654' };
const never = new AbortController().signal;

/** A cluster of one member, which takes in whoever asks, or refuses all. */
function clusterThat(refusal?: HoldfastError, isLearner = false) {
  const asked: Newcomer[] = [];
  return {
    asked,
    cluster: () => Promise.resolve(clusterId(5n)),
    admit: (newcomer: Newcomer) => {
      asked.push(newcomer);
      return refusal ? Promise.reject(refusal) : Promise.resolve({ members: [first], isLearner });
    },
  };
}

async function settled(disk: MemoryDisk, joining: ReturnType<typeof clusterThat> | undefined) {
  const tasks = new TaskGroup((error) => {
    throw error;
  });
  const flags = { name: 'n4', dataDir: '/nowhere', insecure: true, listenPeer: '10.0.0.4:4654' };
  const keeper = new HomeKeeper({
    disk,
    random: new SeededRandom(3),
    settings: readSettings(flags, {}),
    tasks,
    log: { warn: () => undefined },
    joining,
    onUnsaved: () => undefined,
  });
  onTestFinished(() => tasks.close());
  try {
    return await keeper.settle(never);
  } finally {
    await keeper.close();
  }
}

const refused = new HoldfastError('already-exists', 'there is a member named n4');
const away = new HoldfastError('unavailable', 'nobody answers');

it('asks under the same id again until it is told, and then no more', async () => {
  const disk = new MemoryDisk();
  const silent = clusterThat(away);
  await expect(settled(disk, silent)).rejects.toThrow('nobody answers');
  const open = clusterThat();
  const home = await settled(disk, open);
  expect(open.asked[0]).toEqual(silent.asked[0]);
  expect(home).toMatchObject({ memberId: open.asked[0]?.memberId, isCandidate: true });
  expect(await settled(disk, undefined)).toEqual(home);
});

it('does not ask for its vote where it was announced as one that does not', async () => {
  const disk = new MemoryDisk();
  const home = await settled(disk, clusterThat(undefined, true));
  expect(home.isCandidate).toBe(false);
  expect((await settled(disk, undefined)).isCandidate).toBe(false);
});

it('is as new after a refusal, unless it has taken part', async () => {
  const disk = new MemoryDisk();
  await expect(settled(disk, clusterThat(refused))).rejects.toThrow(refused.message);
  expect(await disk.list('')).toEqual([]);
  const home = await settled(disk, clusterThat());
  await makeGroup(disk);
  await disk.remove('peers');
  await expect(settled(disk, clusterThat(refused))).rejects.toThrow(refused.message);
  expect(await disk.list('')).toContain('identity');
  const open = clusterThat();
  expect(await settled(disk, open)).toEqual(home);
});
