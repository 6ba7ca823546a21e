// What keys cost in memory, and in the time of a restart: in each round a fresh cluster of each
// system, one after the other, with nothing else running.
import { sleep } from '@holdfast/base/clock';
import { messageOf } from '@holdfast/base/errors';
import { SystemClock } from '@holdfast/base/system-clock';

import type { Context } from './context.ts';
import { restartSeconds } from './failover.ts';
import { type FigureLine, type FigureName, keysLarge, keysSmall } from './figure.ts';
import { fillKeys } from './fill.ts';
import { PeerCluster } from './peer-cluster.ts';
import type { PeerSystem } from './peer-system.ts';
import { doorOf } from './rate-plan.ts';

const clock = new SystemClock();
/** For snapshots and garbage collection to come to rest. */
const settleMs = { small: 5_000, large: 15_000 };
/** About, for the progress. */
export const sizeSeconds = { small: 20, large: 100 };

type Values = Map<FigureName, number[]>;

export async function measureSizes(context: Context): Promise<readonly FigureLine[]> {
  const { options, systems, progress, isOver } = context;
  const all = new Map<PeerSystem, Values>(systems.map((system) => [system, new Map()]));
  for (let round = 1; round <= options.rounds; round += 1) {
    for (const [system, values] of all) {
      if (isOver()) break;
      const cluster = await PeerCluster.start(system, context.directory);
      try {
        await measureRound(context, { cluster, values, round });
      } catch (error) {
        progress.say(`${system.name}: ${messageOf(error)}`);
      } finally {
        await cluster.close();
      }
    }
  }
  return [...all].flatMap(([system, values]) =>
    [...values].map(([figure, of]) => ({ figure, door: doorOf(system.name).name, values: of })),
  );
}

type Round = { readonly cluster: PeerCluster; readonly values: Values; readonly round: number };

async function measureRound(context: Context, { cluster, values, round }: Round): Promise<void> {
  const { progress, options, isAsked } = context;
  const push = (figure: FigureName, value: number): void => {
    if (isAsked(figure)) values.set(figure, [...(values.get(figure) ?? []), value]);
  };
  const begin = (keys: number): void =>
    progress.begin(
      `round ${round} of ${options.rounds}: ${keys.toLocaleString('en')} keys into ` +
        cluster.system.name,
    );
  begin(keysSmall);
  await fillKeys(cluster, { from: 0, to: keysSmall });
  await sleep(clock, settleMs.small);
  push('memory', await largestMiB(cluster));
  if (isAsked('restart')) push('restart', await restartSeconds(cluster));
  progress.done(sizeSeconds.small);
  if (!isAsked('memory-large')) return;
  begin(keysLarge);
  await fillKeys(cluster, { from: keysSmall, to: keysLarge });
  await sleep(clock, settleMs.large);
  push('memory-large', await largestMiB(cluster));
  progress.done(sizeSeconds.large);
}

const largestMiB = async (cluster: PeerCluster): Promise<number> =>
  Math.max(...(await cluster.residentMiB()));
