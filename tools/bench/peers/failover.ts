// The leader is killed: how long until another member takes a write. And a follower, which holds
// many keys: how long after its start it does.
import { sleep } from '@holdfast/base/clock';
import { SystemClock } from '@holdfast/base/system-clock';

import type { PeerCluster } from './peer-cluster.ts';
import type { MemberPlan } from './peer-system.ts';
import { doorOf } from './rate-plan.ts';
import { WriteProbe } from './write-probe.ts';

const clock = new SystemClock();
/** For connections to stand, and for the others to notice that a follower has gone. */
const restMs = 1000;

/** Seconds from `kill -9` of the leader until the first write that either of the others takes. */
export async function failoverSeconds(cluster: PeerCluster): Promise<number> {
  const [leader, ...others] = (await cluster.leaderFirst()) as [MemberPlan, ...MemberPlan[]];
  const { by } = doorOf(cluster.system.name);
  const probes = others.map(({ client }) => new WriteProbe(client, by));
  try {
    await sleep(clock, restMs);
    const startMs = performance.now();
    const killed = cluster.kill(leader);
    await Promise.any(probes.map((probe) => probe.firstWrite()));
    const tookMs = performance.now() - startMs;
    await killed;
    cluster.restart(leader);
    await cluster.untilReady();
    return tookMs / 1000;
  } finally {
    for (const probe of probes) probe.close();
  }
}

/** Seconds from the start of a follower that was killed until the first write that it takes. */
export async function restartSeconds(cluster: PeerCluster): Promise<number> {
  const follower = (await cluster.leaderFirst())[1] as MemberPlan;
  await cluster.kill(follower);
  await sleep(clock, restMs);
  const startMs = performance.now();
  cluster.restart(follower);
  const probe = new WriteProbe(follower.client, doorOf(cluster.system.name).by);
  try {
    await probe.firstWrite();
    return (performance.now() - startMs) / 1000;
  } finally {
    probe.close();
    await cluster.untilReady();
  }
}
