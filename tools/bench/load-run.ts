// One run of the generator: opens the connections, keeps them full for a while, counts.
import { LoadConnection } from './load-connection.ts';
import type { LoadPlan, LoadResult, WireProtocol } from './load-plan.ts';
import { LoadTally } from './load-tally.ts';
import { runSdkLoad } from './sdk-load.ts';

export async function runLoad(plan: LoadPlan): Promise<LoadResult> {
  const { by } = plan;
  if (by === 'sdk' || by === 'sdk-http') return runSdkLoad(plan);
  const tally = new LoadTally(plan);
  const connections = await openAll({ ...plan, by }, tally);
  tally.start();
  for (const connection of connections) connection.start();
  try {
    await Promise.all(connections.map((connection) => connection.finished));
  } finally {
    for (const connection of connections) connection.close();
  }
  return tally.result();
}

type WiredPlan = LoadPlan & { readonly by: WireProtocol };

async function openAll(plan: WiredPlan, tally: LoadTally): Promise<readonly LoadConnection[]> {
  const depth = Math.max(1, Math.floor(plan.inFlight / plan.connections));
  const opening = Array.from({ length: plan.connections }, (_, at) => {
    const endpoint = plan.endpoints[at % plan.endpoints.length] as string;
    const firstKey = (plan.firstKey ?? 0) + Math.floor((plan.keys / plan.connections) * at);
    const onAnswer = (status: number, ms: number): boolean => tally.answer(status, ms);
    return LoadConnection.open({ plan, endpoint, depth, firstKey, onAnswer });
  });
  return Promise.all(opening);
}
