// Trials in which systems take turns, each with a cluster of its own that holds a few keys: the one
// whose turn it is not is frozen.
import { messageOf } from '@holdfast/base/errors';

import type { Context } from './context.ts';
import { type FigureLine, type FigureName, figures } from './figure.ts';
import { fillKeys } from './fill.ts';
import { PeerCluster } from './peer-cluster.ts';
import { doorOf } from './rate-plan.ts';
import { NotServed } from './watch-connection.ts';
import { probeKeys } from './write-probe.ts';

export type Trial = {
  readonly figure: FigureName;
  readonly trials: number;
  /** About, for the progress. */
  readonly seconds: number;
  /** Answers a value in the figure's unit. */
  readonly run: (cluster: PeerCluster) => Promise<number | undefined>;
};

export class Turns {
  readonly #context: Context;
  readonly #clusters: readonly PeerCluster[];

  private constructor(context: Context, clusters: readonly PeerCluster[]) {
    this.#context = context;
    this.#clusters = clusters;
  }

  static async start(context: Context): Promise<Turns> {
    const clusters: PeerCluster[] = [];
    for (const system of context.systems) {
      context.progress.begin(`starting ${system.name}`);
      const cluster = await PeerCluster.start(system, context.directory);
      clusters.push(cluster);
      await fillKeys(cluster, { from: 0, to: probeKeys });
      cluster.freeze();
    }
    return new Turns(context, clusters);
  }

  async measure(trial: Trial): Promise<readonly FigureLine[]> {
    const { figure } = trial;
    const values = new Map<PeerCluster, number[]>(this.#clusters.map((one) => [one, []]));
    const reasons = new Map<PeerCluster, string>();
    for (let n = 1; n <= trial.trials && !this.#context.isOver(); n += 1) {
      for (const [cluster, all] of values) {
        const what = `${figures[figure].title}, ${n} of ${trial.trials}: ${cluster.system.name}`;
        this.#context.progress.begin(what);
        try {
          if (!reasons.has(cluster)) all.push(...(await inTurn(cluster, trial)));
        } catch (error) {
          const reason = error instanceof NotServed ? 'not served yet' : messageOf(error);
          this.#context.progress.say(`${what}: ${reason}`);
          if (error instanceof NotServed) reasons.set(cluster, reason);
        }
        this.#context.progress.done(trial.seconds);
      }
    }
    return [...values].map(([cluster, all]) => {
      const reason = reasons.get(cluster);
      const { name: door } = doorOf(cluster.system.name);
      return { figure, door, values: all, ...(reason ? { reason } : {}) };
    });
  }

  async close(): Promise<void> {
    for (const cluster of this.#clusters) await cluster.close();
  }
}

async function inTurn(cluster: PeerCluster, { run }: Trial): Promise<readonly number[]> {
  await cluster.thaw();
  try {
    const value = await run(cluster);
    return value === undefined ? [] : [value];
  } finally {
    cluster.freeze();
  }
}
