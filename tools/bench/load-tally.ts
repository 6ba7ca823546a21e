// What came of one run of the generator: how many answers, how late, and what they cost.
import { Histogram } from './histogram.ts';
import type { LoadPlan, LoadResult } from './load-plan.ts';

export class LoadTally {
  readonly #histogram = new Histogram();
  readonly #failures: Record<string, number> = {};
  readonly #warmupMs: number;
  readonly #durationMs: number;
  #leftToSend: number;
  /** Answers of the warm-up. */
  #early = 0;
  #startedAtMs = 0;
  #endedAtMs = 0;
  #cpuAtStart = process.cpuUsage();

  constructor(plan: LoadPlan) {
    this.#warmupMs = plan.warmupMs ?? 0;
    this.#durationMs = plan.durationMs ?? Number.POSITIVE_INFINITY;
    const atStart = Math.max(1, Math.floor(plan.inFlight / plan.connections)) * plan.connections;
    this.#leftToSend = (plan.requests ?? Number.POSITIVE_INFINITY) - atStart;
  }

  start(): void {
    this.#startedAtMs = performance.now() + this.#warmupMs;
    this.#cpuAtStart = process.cpuUsage();
  }

  answer(status: number, latencyMs: number): boolean {
    if (status < 200 || status > 299) this.#failures[status] = (this.#failures[status] ?? 0) + 1;
    this.#leftToSend -= 1;
    const nowMs = performance.now();
    if (nowMs < this.#startedAtMs) {
      this.#early += 1;
      return this.#leftToSend >= 0;
    }
    if (this.#histogram.count === 0 && this.#early > 0) this.#cpuAtStart = process.cpuUsage();
    this.#histogram.record(latencyMs);
    this.#endedAtMs = nowMs;
    return this.#leftToSend >= 0 && nowMs - this.#startedAtMs < this.#durationMs;
  }

  result(): LoadResult {
    const cpu = process.cpuUsage(this.#cpuAtStart);
    const elapsedMs = this.#endedAtMs - this.#startedAtMs;
    const cpuMicros = cpu.user + cpu.system;
    const completed = this.#histogram.count;
    return {
      completed,
      answered: completed + this.#early,
      elapsedMs,
      p50Ms: this.#histogram.quantile(0.5),
      p99Ms: this.#histogram.quantile(0.99),
      failures: this.#failures,
      cpuShare: cpuMicros / 1_000 / elapsedMs,
      cpuMicrosPerRequest: cpuMicros / completed,
    };
  }
}
