// Keys for a cluster to hold.
import { LoadClient } from '../load-client.ts';
import type { LoadPlan } from '../load-plan.ts';
import type { PeerCluster } from './peer-cluster.ts';
import { doorOf } from './rate-plan.ts';

export const valueBytes = 256;
const inFlightMax = 200;
/** A busy machine may have changed the leader in the middle. */
const attemptsMax = 3;

/** Below that it does not come to an end. */
const slowestPerMs = 0.5;
const answerWithinMs = 30_000;

export type KeyRange = { readonly from: number; readonly to: number };

/** Each of the keys [from, to) once; all of them again where a write failed. */
export async function fillKeys(cluster: PeerCluster, range: KeyRange): Promise<void> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      await fillOnce(cluster, range);
      return;
    } catch (error) {
      if (attempt === attemptsMax) throw error;
      await cluster.untilReady();
    }
  }
}

async function fillOnce(cluster: PeerCluster, { from, to }: KeyRange): Promise<void> {
  const client = new LoadClient();
  const { by } = doorOf(cluster.system.name);
  try {
    const plan: LoadPlan = {
      ...{ kind: 'create', by, keys: to, firstKey: from, requests: to - from, valueBytes },
      endpoints: (await cluster.leaderFirst()).map((member) => member.client),
      ...{ connections: 1, inFlight: Math.min(inFlightMax, to - from), durationMs: undefined },
    };
    const withinMs = answerWithinMs + (to - from) / slowestPerMs;
    await client.run(plan, { signal: AbortSignal.timeout(withinMs) });
  } finally {
    await client.close();
  }
}
