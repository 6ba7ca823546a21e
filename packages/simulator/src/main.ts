// The simulator as a person runs it: seeds in, reports out. The only file of this package that
// touches the process: the real clock for the speed figure, the event loop, and git for the commit.
import { execFileSync } from 'node:child_process';
import { runClusterWorld } from './cluster-world.ts';
import type { Drain } from './event-queue.ts';
import { runRaftWorld } from './raft-world.ts';
import type { RunReport } from './run-report.ts';

/** `cluster`: whole members under clients. `raft`: cores alone, a hundred times as fast. */
export type WorldName = 'cluster' | 'raft';

export type SimulationOptions = {
  readonly seed: number;
  /** Default `cluster`. */
  readonly world?: WorldName;
  /** How long faults last, in simulated time. Default 20 s. */
  readonly faultsMs?: number;
  readonly memberCount?: number;
  /** How many lines of the timeline the report keeps. Default 60. */
  readonly linesMax?: number;
};

export type SeedsOptions = Omit<SimulationOptions, 'seed'> & {
  readonly firstSeed: number;
  readonly seeds: number;
  readonly write: (line: string) => void;
  /** Ends after the run at hand. */
  readonly signal?: AbortSignal;
};

export type SeedsReport = {
  readonly runs: number;
  readonly failures: readonly RunReport[];
  readonly simulatedMs: number;
  /** Simulated time for each second of real time: the whole cluster's, not each member's. */
  readonly speed: number;
  readonly counters: Readonly<Record<string, number>>;
};

/** Every reaction runs before the event loop turns, however long the chain of promises is. */
const drain: Drain = () => new Promise((resolve) => setImmediate(resolve));

/** One run. The same options give the same report, always. */
export async function runSimulation(options: SimulationOptions): Promise<RunReport> {
  const { world = 'cluster', memberCount, ...rest } = options;
  if (world === 'raft') return runRaftWorld(rest);
  return await runClusterWorld({
    ...rest,
    drain,
    ...(memberCount === undefined ? {} : { memberCount }),
  });
}

/**
 * Many runs. Writes each failure as it comes, with what is needed to see it again, and a summary.
 */
export async function simulateSeeds(options: SeedsOptions): Promise<SeedsReport> {
  const { firstSeed, seeds, write, signal, ...rest } = options;
  const startMs = performance.now();
  const failures: RunReport[] = [];
  const counters: Record<string, number> = {};
  let simulatedMs = 0;
  let runs = 0;
  while (runs < seeds && !signal?.aborted) {
    const report = await runSimulation({ ...rest, seed: firstSeed + runs });
    runs += 1;
    simulatedMs += report.simulatedMs;
    for (const [name, count] of Object.entries(report.counters)) {
      counters[name] = (counters[name] ?? 0) + count;
    }
    if (!report.failure) continue;
    failures.push(report);
    writeFailure(report, rest.world ?? 'cluster', write);
  }
  const speed = simulatedMs / Math.max(1, performance.now() - startMs);
  const summary = { runs, failures, simulatedMs, speed, counters };
  writeSummary(summary, write);
  return summary;
}

/** One run with its whole timeline. */
export async function traceSeed(
  options: SimulationOptions & { readonly write: (line: string) => void },
): Promise<RunReport> {
  const { write, ...rest } = options;
  const report = await runSimulation({ ...rest, linesMax: Number.POSITIVE_INFINITY });
  for (const line of report.lines) write(line);
  if (report.failure) write(`FAILED  ${report.failure.message}`);
  write(`seed ${report.seed}  trace ${hashText(report)}  commit ${commitText()}`);
  return report;
}

/** The command line: `--seeds N [--first-seed S]`, or `--seed S [--trace]`; `--world raft` for
 * cores alone. Answers the exit code: 0, or 1 if a run failed. */
export async function runCommand(
  args: readonly string[],
  write: (line: string) => void,
): Promise<number> {
  const optionOf = (name: string): string | undefined => {
    const at = args.indexOf(name);
    return at < 0 ? undefined : args[at + 1];
  };
  const world: WorldName = optionOf('--world') === 'raft' ? 'raft' : 'cluster';
  const seed = optionOf('--seed');
  if (seed !== undefined && args.includes('--trace')) {
    const report = await traceSeed({ seed: Number(seed), world, write });
    return report.failure ? 1 : 0;
  }
  const firstSeed = Number(seed ?? optionOf('--first-seed') ?? 1);
  const seeds = seed === undefined ? Number(optionOf('--seeds') ?? 100) : 1;
  const { failures } = await simulateSeeds({ firstSeed, seeds, world, write });
  return failures.length > 0 ? 1 : 0;
}

function writeFailure(report: RunReport, world: WorldName, write: (line: string) => void): void {
  for (const line of report.lines) write(line);
  write(`FAILED  seed ${report.seed}  commit ${commitText()}  ${report.failure?.message}`);
  const extra = world === 'raft' ? ' --world raft' : '';
  write(`see it again: holdfast simulate --seed ${report.seed} --trace${extra}`);
}

function writeSummary(summary: SeedsReport, write: (line: string) => void): void {
  const { runs, failures, simulatedMs, speed, counters } = summary;
  const failed = failures.map(({ seed }) => seed).join(' ');
  write(`${runs} runs, ${failures.length} failed${failed ? `: ${failed}` : ''}`);
  const seconds = (simulatedMs / 1000).toFixed(0);
  write(`${seconds} simulated seconds, ${speed.toFixed(0)} for each real second`);
  write(
    Object.entries(counters)
      .map(([name, count]) => `${name} ${count}`)
      .join(', '),
  );
}

const hashText = ({ traceHash }: RunReport): string => traceHash.toString(16).padStart(8, '0');

function commitText(): string {
  try {
    return execFileSync('git', ['rev-parse', '--short', 'HEAD'], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    }).trim();
  } catch {
    return 'unknown'; // Not run from a checkout: the seed alone must do.
  }
}
