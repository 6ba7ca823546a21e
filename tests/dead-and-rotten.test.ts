// Of three members one is dead, and the log of another is damaged where it was synced: together
// they are a majority that nobody leads at once. Goal: the rotten one gets its range from the sound
// one by the chain of checksums, without a leader (safety.md 5, the second way), and the two go on
// with everything, before the dead one is back.
import { closeSync, openSync, readdirSync, readSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { expectConverged } from './support/converged.ts';
import { ProcessCluster, type ProcessMember, until } from './support/process-cluster.ts';

it('one dead and one rotten member of three do not stop the cluster', async () => {
  await using cluster = await ProcessCluster.start(3);
  const acknowledged = new Map<string, string>();
  const leader = await cluster.leader();
  await write(leader, 300, acknowledged);
  const [rotten, sound] = cluster.members.filter((member) => member !== leader) as [
    ProcessMember,
    ProcessMember,
  ];
  await rotten.kill();
  flipInTheMiddle(rotten);
  await leader.kill();
  const { length } = rotten.log;
  rotten.start();
  await until(async () => (await sound.isReady()) && (await rotten.isReady()), {
    timeoutMs: 30_000,
    what: () => `both to be ready\n${cluster.logs()}`,
  });
  expect(rotten.log.slice(length)).toContain('damaged from');
  await write(await cluster.leader(), 10, acknowledged);
  leader.start();
  await cluster.ready();
  await expectConverged(cluster, acknowledged);
});

async function write(
  member: ProcessMember,
  count: number,
  acknowledged: Map<string, string>,
): Promise<void> {
  const before = acknowledged.size;
  for (let at = before; at < before + count; at += 1) {
    const answer = await member.put(`/v1/kv/key-${at}`, `value-${at}`);
    expect(answer.status).toBe(200);
    await answer.arrayBuffer();
    acknowledged.set(`key-${at}`, `value-${at}`);
  }
}

/** One bit, in the middle of what the first segment holds. */
function flipInTheMiddle({ place }: ProcessMember): void {
  const directory = join(place.dataDir, 'groups/0/log');
  const name = readdirSync(directory).find((one) => one.endsWith('.seg')) ?? '';
  const file = openSync(join(directory, name), 'r+');
  const bytes = Buffer.alloc(64 * 1024);
  const count = readSync(file, bytes, 0, bytes.length, 0);
  const at = Math.floor(bytes.subarray(0, count).findLastIndex((byte) => byte !== 0) / 2);
  writeSync(file, Buffer.of((bytes[at] as number) ^ 1), 0, 1, at);
  closeSync(file);
}
