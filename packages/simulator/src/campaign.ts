// Many runs, one after the other: over a number of seeds, for some time, or until told to stop.
// Owns what they add up to; how a run is made, the real clock and what is printed are its caller's.
import type { RunReport } from './run-report.ts';

/** `cluster`: whole members under clients. `raft`: cores alone, several times as fast. */
export type WorldName = 'cluster' | 'raft';

export type CampaignOptions = {
  readonly worlds: readonly WorldName[];
  readonly firstSeed: number;
  /** Default: no end. */
  readonly seeds?: number;
  /** Real time, by `nowMs`; default: no end. */
  readonly forMs?: number;
  readonly nowMs: () => number;
  /** Processor time of this process, all of its threads. */
  readonly processorMs: () => number;
  /** Ends after the run at hand. */
  readonly signal?: AbortSignal;
  /** Lets the process hear its signals: a world of cores alone never waits for anything. */
  readonly turn?: () => Promise<void>;
  readonly run: (seed: number, world: WorldName) => Promise<RunReport>;
  readonly onFailure: (report: RunReport, world: WorldName) => void;
  /** After each seed. */
  readonly onProgress?: (summary: CampaignSummary) => void;
};

export type CampaignSummary = {
  readonly runs: number;
  readonly failures: readonly FailedRun[];
  readonly simulatedMs: number;
  /** Simulated time for each second of real time: the whole cluster's, not each member's. */
  readonly speed: number;
  /** The same for each second of processor time, which other work stretches less. */
  readonly processorSpeed: number;
  readonly counters: Readonly<Record<string, number>>;
};

export type FailedRun = { readonly seed: number; readonly world: WorldName };

export async function runCampaign(options: CampaignOptions): Promise<CampaignSummary> {
  const { worlds, firstSeed, nowMs, signal, onProgress } = options;
  const { seeds = Number.POSITIVE_INFINITY, forMs = Number.POSITIVE_INFINITY } = options;
  const startMs = nowMs();
  const processorStartMs = options.processorMs();
  const tally = new Tally({
    elapsedMs: () => nowMs() - startMs,
    processorMs: () => options.processorMs() - processorStartMs,
  });
  for (let seed = firstSeed; seed < firstSeed + seeds; seed += 1) {
    if (signal?.aborted || nowMs() - startMs >= forMs) break;
    for (const world of worlds) {
      const report = await options.run(seed, world);
      tally.add(report, world);
      if (report.failure) options.onFailure(report, world);
    }
    onProgress?.(tally.summary);
    await options.turn?.();
  }
  return tally.summary;
}

type Stopwatches = { readonly elapsedMs: () => number; readonly processorMs: () => number };

class Tally {
  readonly #stopwatches: Stopwatches;
  readonly #failures: FailedRun[] = [];
  readonly #counters: Record<string, number> = {};
  #runs = 0;
  #simulatedMs = 0;

  constructor(stopwatches: Stopwatches) {
    this.#stopwatches = stopwatches;
  }

  get summary(): CampaignSummary {
    const { elapsedMs, processorMs } = this.#stopwatches;
    return {
      runs: this.#runs,
      failures: this.#failures,
      simulatedMs: this.#simulatedMs,
      speed: this.#simulatedMs / Math.max(1, elapsedMs()),
      processorSpeed: this.#simulatedMs / Math.max(1, processorMs()),
      counters: this.#counters,
    };
  }

  add({ seed, failure, simulatedMs, counters }: RunReport, world: WorldName): void {
    this.#runs += 1;
    this.#simulatedMs += simulatedMs;
    if (failure) this.#failures.push({ seed, world });
    for (const [name, count] of Object.entries(counters)) {
      const before = this.#counters[name] ?? 0;
      // Of what a run has timed (its name ends so), the longest of all runs is told.
      this.#counters[name] = name.endsWith('Ms') ? Math.max(before, count) : before + count;
    }
  }
}
