// The parts of the bench, one after the other: rates, then what is measured in trials.
import { messageOf } from '@holdfast/base/errors';

import type { Context } from './context.ts';
import { failoverSeconds } from './failover.ts';
import { fanOutMs } from './fan-out.ts';
import type { FigureLine } from './figure.ts';
import type { Options } from './options.ts';
import { PeerCluster } from './peer-cluster.ts';
import type { PeerSystem } from './peer-system.ts';
import { type RateLine, rateLine } from './rate-line.ts';
import { doorOf, doors, loads, nameOf } from './rate-plan.ts';
import { RateBench, type RatePlan, rateSeconds } from './rates.ts';
import { measureSizes, sizeSeconds } from './sizes.ts';
import { Turns } from './turns.ts';

/** Failovers vary more than anything else. */
const failoversARound = 2;
/** About, for the progress. */
const seconds = { watch: 6, failover: 8 };

export type Measured = {
  readonly rates: readonly RateLine[];
  readonly figures: readonly FigureLine[];
};

/** A part that fails is told, and the others are measured. */
export async function measureAll(context: Context): Promise<Measured> {
  const rates: RateLine[] = [];
  const figures: FigureLine[] = [];
  const parts = [
    async () => void rates.push(...(await measureRates(context))),
    async () => void figures.push(...(await measureTurns(context))),
    async () => void figures.push(...(await measureSizesAsked(context))),
  ];
  for (const part of parts) {
    try {
      await part();
    } catch (error) {
      context.progress.say(messageOf(error));
    }
  }
  return { rates, figures };
}

/** About, of all that is asked for. */
export function secondsOf(
  options: Options,
  systems: readonly PeerSystem[],
  isAsked: Context['isAsked'],
): number {
  const { rounds } = options;
  const { watch, failover } = seconds;
  const turns =
    (isAsked('watch') ? watch * rounds : 0) +
    (isAsked('failover') ? failover * rounds * failoversARound : 0);
  const isSmall = isAsked('memory') || isAsked('restart');
  const large = isAsked('memory-large') ? sizeSeconds.large : 0;
  const small = isSmall || large > 0 ? sizeSeconds.small : 0;
  const rates = rateSeconds(ratePlan(options, systems), rounds);
  return rates + systems.length * (turns + rounds * (small + large));
}

function ratePlan(options: Options, systems: readonly PeerSystem[]): RatePlan {
  const { only, roundMs, warmupMs } = options;
  return {
    loads: loads.filter((load) => only.test(nameOf(load))),
    doors: doors.filter(({ system }) => systems.some(({ name }) => name === system)),
    ...{ roundMs, warmupMs },
  };
}

async function measureRates(context: Context): Promise<readonly RateLine[]> {
  const { options, systems } = context;
  const plan = ratePlan(options, systems);
  if (plan.loads.length === 0) return [];
  const clusters: PeerCluster[] = [];
  let bench: RateBench | undefined;
  try {
    for (const system of systems) {
      context.progress.begin(`starting ${system.name}`);
      clusters.push(await PeerCluster.start(system, context.directory));
    }
    bench = new RateBench(context, plan, clusters);
    const rates = await bench.run(options.rounds);
    return rates.map(rateLine).filter((line) => line !== undefined);
  } finally {
    await bench?.close();
    for (const cluster of clusters) await cluster.close();
  }
}

async function measureTurns(context: Context): Promise<readonly FigureLine[]> {
  const { rounds } = context.options;
  if (!context.isAsked('watch') && !context.isAsked('failover')) return [];
  const turns = await Turns.start(context);
  try {
    const lines: FigureLine[] = [];
    if (context.isAsked('watch')) {
      const run = async (cluster: PeerCluster) =>
        fanOutMs(await endpointsOf(cluster), byOf(cluster));
      const trial = { figure: 'watch', trials: rounds, seconds: seconds.watch, run } as const;
      lines.push(...(await turns.measure(trial)));
    }
    if (context.isAsked('failover')) {
      const trials = rounds * failoversARound;
      const { failover } = seconds;
      const trial = {
        figure: 'failover',
        trials,
        seconds: failover,
        run: failoverSeconds,
      } as const;
      lines.push(...(await turns.measure(trial)));
    }
    return lines;
  } finally {
    await turns.close();
  }
}

async function measureSizesAsked(context: Context): Promise<readonly FigureLine[]> {
  const asked = (['memory', 'restart', 'memory-large'] as const).some(context.isAsked);
  return asked ? await measureSizes(context) : [];
}

const endpointsOf = async (cluster: PeerCluster): Promise<readonly string[]> =>
  (await cluster.leaderFirst()).map(({ client }) => client);

const byOf = (cluster: PeerCluster) => doorOf(cluster.system.name).by;
