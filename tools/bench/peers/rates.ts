// Rates, latencies and processor time of the loads, in rounds in which the doors take turns at each
// load: what is compared was measured within the same minute. Systems that wait are frozen.
import { messageOf } from '@holdfast/base/errors';

import { LoadClient } from '../load-client.ts';
import type { LoadPlan, LoadResult } from '../load-plan.ts';
import type { Context } from './context.ts';
import { fillKeys, valueBytes } from './fill.ts';
import type { PeerCluster } from './peer-cluster.ts';
import { type Door, type Load, nameOf } from './rate-plan.ts';

const rateKeys = 100_000;
/** The same load before each measurement, not counted. */
const leadInMs = 500;
const attemptsMax = 2;
/** For the answers to what was sent last. */
const answersWithinMs = 30_000;
/** Of both just-in-time compilers, before anything is measured: four times slower at first. */
const warmupLoad = { inFlight: 64, connections: 6 };

/** About, for the progress. */
const fillSeconds = 15;

export type RateRound = { readonly result: LoadResult; readonly membersCpuMicros: number };

/** Rounds of a load at a door. */
export type Rate = { readonly load: Load; readonly door: Door; readonly rounds: RateRound[] };

export type RatePlan = {
  readonly loads: readonly Load[];
  readonly doors: readonly Door[];
  readonly roundMs: number;
  readonly warmupMs: number;
};

/** With the lead-in, and the thaw of the one and the freeze of the other. */
const roundSeconds = ({ roundMs }: Pick<RatePlan, 'roundMs'>): number => roundMs / 1000 + 2;

/** Of the whole part, about. */
export function rateSeconds(plan: RatePlan, rounds: number): number {
  const { loads, doors, warmupMs } = plan;
  if (loads.length === 0) return 0;
  const kinds = new Set(loads.map(({ kind }) => kind)).size;
  const systems = new Set(doors.map(({ system }) => system)).size;
  const warmup = (warmupMs / 1000) * kinds * doors.length;
  return systems * fillSeconds + warmup + rounds * loads.length * doors.length * roundSeconds(plan);
}

export class RateBench {
  readonly #context: Context;
  readonly #asked: RatePlan;
  readonly #clusters: ReadonlyMap<string, PeerCluster>;
  #client = new LoadClient();
  readonly #rates: readonly Rate[];

  /** The clusters by their systems' names: fresh, and none of them frozen. */
  constructor(context: Context, asked: RatePlan, clusters: readonly PeerCluster[]) {
    this.#context = context;
    this.#asked = asked;
    this.#clusters = new Map(clusters.map((cluster) => [cluster.system.name, cluster]));
    this.#rates = asked.loads.flatMap((load) =>
      asked.doors.map((door) => ({ load, door, rounds: [] })),
    );
  }

  async run(rounds: number): Promise<readonly Rate[]> {
    const { loads, doors } = this.#asked;
    const { progress, isOver } = this.#context;
    await this.#prepareAll();
    for (let round = 0; round < rounds; round += 1) {
      for (const load of loads) {
        // Nobody is always the first one after the others' writes.
        for (const door of rotated(doors, round)) {
          if (isOver()) return this.#rates;
          progress.begin(`round ${round + 1} of ${rounds}: ${nameOf(load)} of ${door.name}`);
          const rate = this.#rates.find((one) => one.load === load && one.door === door) as Rate;
          rate.rounds.push(...(await this.#again(door, load)));
          progress.done(roundSeconds(this.#asked));
        }
      }
    }
    return this.#rates;
  }

  async close(): Promise<void> {
    await this.#client.close();
  }

  async #prepareAll(): Promise<void> {
    for (const cluster of this.#clusters.values()) cluster.freeze();
    for (const cluster of this.#clusters.values()) {
      await cluster.thaw();
      await this.#prepare(cluster);
      cluster.freeze();
    }
  }

  /** Every key once, and every way of asking for a while. */
  async #prepare(cluster: PeerCluster): Promise<void> {
    const { loads, warmupMs } = this.#asked;
    const { progress } = this.#context;
    const { name } = cluster.system;
    const doors = this.#asked.doors.filter(({ system }) => system === name);
    progress.begin(`${rateKeys.toLocaleString('en')} keys into ${name}`);
    await fillKeys(cluster, { from: 0, to: rateKeys });
    progress.done(fillSeconds);
    for (const door of doors) {
      for (const kind of new Set(loads.map((load) => load.kind))) {
        progress.begin(`warming ${door.name} up: ${kind}`);
        const warm = await this.#plan(cluster, door, { kind, ...warmupLoad });
        await this.#told(() => this.#run({ ...warm, durationMs: warmupMs }));
        progress.done(warmupMs / 1000);
      }
    }
    await this.#told(() => cluster.compact());
  }

  /** What fails without harm to what is measured. */
  async #told(work: () => Promise<unknown>): Promise<void> {
    try {
      await work();
    } catch (error) {
      this.#context.progress.say(messageOf(error));
    }
  }

  /** A round in which calls failed is no measurement: it is made once more, or left out. */
  async #again(door: Door, load: Load): Promise<readonly RateRound[]> {
    for (let attempt = 1; attempt <= attemptsMax; attempt += 1) {
      try {
        return [await this.#measure(door, load)];
      } catch (error) {
        this.#context.progress.say(`${door.name}: ${messageOf(error)}`);
      }
    }
    this.#context.progress.say(`${nameOf(load)} of ${door.name} is left out of this round`);
    return [];
  }

  async #measure(door: Door, load: Load): Promise<RateRound> {
    const cluster = this.#clusters.get(door.system) as PeerCluster;
    await cluster.thaw();
    try {
      const plan = await this.#plan(cluster, door, load);
      const cpuBeforeMs = await cluster.cpuMs();
      const durationMs = this.#asked.roundMs;
      const result = await this.#run({ ...plan, warmupMs: leadInMs, durationMs });
      const cpuMs = (await cluster.cpuMs()) - cpuBeforeMs;
      if (load.kind === 'put') await this.#told(() => cluster.compact());
      return { result, membersCpuMicros: (cpuMs * 1000) / result.answered };
    } finally {
      cluster.freeze();
    }
  }

  /** A client that waits in vain would never listen again: another one takes its place. */
  async #run(plan: LoadPlan): Promise<LoadResult> {
    const withinMs = (plan.warmupMs ?? 0) + (plan.durationMs ?? 0) + answersWithinMs;
    try {
      return await this.#client.run(plan, { signal: AbortSignal.timeout(withinMs) });
    } catch (error) {
      await this.#client.close();
      this.#client = new LoadClient();
      throw error;
    }
  }

  /** Connections are dealt to all members, the first one to the leader. */
  async #plan(cluster: PeerCluster, { by }: Door, load: Load): Promise<LoadPlan> {
    const endpoints = (await cluster.leaderFirst()).map(({ client }) => client);
    const { kind, inFlight, connections } = load;
    const limits = { durationMs: undefined, requests: undefined };
    return {
      ...{ kind, inFlight, connections, by, endpoints },
      ...{ keys: rateKeys, valueBytes, ...limits },
    };
  }
}

function rotated<T>(all: readonly T[], by: number): readonly T[] {
  const at = by % all.length;
  return [...all.slice(at), ...all.slice(0, at)];
}
