// One run of the generator: opens the connections, keeps them full for a while, counts.
import { Histogram } from './histogram.ts';
import { LoadConnection } from './load-connection.ts';
import type { LoadPlan, LoadResult } from './load-plan.ts';

export async function runLoad(plan: LoadPlan): Promise<LoadResult> {
  const tally = new LoadTally(plan);
  const connections = await openAll(plan, tally);
  const cpuBefore = process.cpuUsage();
  tally.start();
  for (const connection of connections) connection.start();
  try {
    await Promise.all(connections.map((connection) => connection.finished));
  } finally {
    for (const connection of connections) connection.close();
  }
  return tally.result(process.cpuUsage(cpuBefore));
}

async function openAll(plan: LoadPlan, tally: LoadTally): Promise<readonly LoadConnection[]> {
  const depth = Math.max(1, Math.floor(plan.inFlight / plan.connections));
  const opening = Array.from({ length: plan.connections }, (_, at) => {
    const endpoint = plan.endpoints[at % plan.endpoints.length] as string;
    const firstKey = Math.floor((plan.keys / plan.connections) * at);
    const onAnswer = (status: number, ms: number): boolean => tally.answer(status, ms);
    return LoadConnection.open({ plan, endpoint, depth, firstKey, onAnswer });
  });
  return Promise.all(opening);
}

class LoadTally {
  readonly #histogram = new Histogram();
  readonly #failures: Record<string, number> = {};
  readonly #durationMs: number;
  #leftToSend: number;
  #startedAtMs = 0;
  #endedAtMs = 0;

  constructor(plan: LoadPlan) {
    this.#durationMs = plan.durationMs ?? Number.POSITIVE_INFINITY;
    const atStart = Math.max(1, Math.floor(plan.inFlight / plan.connections)) * plan.connections;
    this.#leftToSend = (plan.requests ?? Number.POSITIVE_INFINITY) - atStart;
  }

  start(): void {
    this.#startedAtMs = performance.now();
  }

  answer(status: number, latencyMs: number): boolean {
    if (status < 200 || status > 299) this.#failures[status] = (this.#failures[status] ?? 0) + 1;
    this.#histogram.record(latencyMs);
    this.#endedAtMs = performance.now();
    this.#leftToSend -= 1;
    return this.#leftToSend >= 0 && this.#endedAtMs - this.#startedAtMs < this.#durationMs;
  }

  result(cpu: NodeJS.CpuUsage): LoadResult {
    const elapsedMs = this.#endedAtMs - this.#startedAtMs;
    const cpuMicros = cpu.user + cpu.system;
    const completed = this.#histogram.count;
    return {
      completed,
      elapsedMs,
      p50Ms: this.#histogram.quantile(0.5),
      p99Ms: this.#histogram.quantile(0.99),
      failures: this.#failures,
      cpuShare: cpuMicros / 1_000 / elapsedMs,
      cpuMicrosPerRequest: cpuMicros / completed,
    };
  }
}
