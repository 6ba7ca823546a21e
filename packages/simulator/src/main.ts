// The simulator as a person runs it: seeds in, reports out. The only file of this package that
// touches the process: the real clock for the speed figure, the event loop, git for the commit, and
// the folder where reports of failing seeds are kept.
import { execFileSync } from 'node:child_process';
import { appendFileSync, mkdirSync, statSync, writeFileSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { recordingDirectory } from '@holdfast/engine/recorder';
import { listSegments } from '@holdfast/engine/recording-reader';
import type { Disk } from '@holdfast/storage/disk';
import { NodeDisk } from '@holdfast/storage/node-disk';
import { type CampaignSummary, runCampaign, type WorldName } from './campaign.ts';
import { runClusterWorld } from './cluster-world.ts';
import { parseFlags, type SimulateFlags, usage } from './command-line.ts';
import type { Drain } from './event-queue.ts';
import { nameOf } from './member-network.ts';
import { runRaftWorld } from './raft-world.ts';
import { replayAll } from './replay-command.ts';
import type { RunReport } from './run-report.ts';
import type { Scenario } from './scenario.ts';
import { shrinkPlan } from './shrink.ts';
import { WorldRecordings } from './world-recordings.ts';

export type { WorldName } from './campaign.ts';

export type SimulationOptions = {
  readonly seed: number;
  /** Default `cluster`. */
  readonly world?: WorldName;
  /** How long faults last, in simulated time. Default 20 s. */
  readonly faultsMs?: number;
  readonly memberCount?: number;
  /** How many lines of the timeline the report keeps. Default 60. */
  readonly linesMax?: number;
  /** One kind of trouble instead of what chance puts together. */
  readonly scenario?: Scenario;
  /** Faults of the plan that do not happen, by their places in it. */
  readonly without?: ReadonlySet<number>;
  /** Where members are recorded; of the `cluster` world alone. */
  readonly recordings?: WorldRecordings;
};

type Write = (line: string) => void;

/** So many drains share a turn of the event loop, which signals need. */
const drainsPerTurn = 500;
let drains = 0;

/**
 * A tick that is asked for in a promise reaction comes when no reaction is left to run, however
 * long their chain is; a turn of the event loop does as well, at many times the price.
 */
const drain: Drain = () =>
  new Promise((resolve) => {
    drains += 1;
    if (drains % drainsPerTurn === 0) setImmediate(resolve);
    else process.nextTick(resolve);
  });

const noThrow = { throwIfNoEntry: false } as const;

const shrinkRunsMax = 400;
const progressMs = 10_000;

/** One run. The same options give the same report, always. */
export async function runSimulation(options: SimulationOptions): Promise<RunReport> {
  const { world = 'cluster', ...rest } = options;
  if (world === 'raft') return runRaftWorld(rest);
  return await runClusterWorld({ ...rest, drain });
}

/** The command line, see `usage`. Answers the exit code: 0, 1 if a run failed, 2 for bad flags. */
export async function runCommand(
  args: readonly string[],
  write: Write,
  signal?: AbortSignal,
): Promise<number> {
  const flags = parseFlags(args);
  if (!flags) {
    write(usage);
    return 2;
  }
  if (flags.replay !== undefined) return await replay(flags.replay, flags.trace, write);
  if (flags.record !== undefined) return await recordSeed(flags, flags.record, write);
  if (flags.shrink) return await shrinkSeed(flags, write);
  if (flags.trace) return await traceSeed(flags, write);
  return await simulateSeeds(flags, write, signal);
}

/** Writes each failure as it comes, with what is needed to see it again, and a summary. */
async function simulateSeeds(
  flags: SimulateFlags,
  write: Write,
  signal?: AbortSignal,
): Promise<number> {
  const { worlds, firstSeed, seeds, seconds, keep } = flags;
  const nowMs = (): number => performance.now();
  let toldMs = nowMs();
  const summary = await withoutStacks(() =>
    runCampaign({
      worlds,
      firstSeed,
      nowMs,
      processorMs,
      ...(seeds === undefined ? {} : { seeds }),
      ...(seconds === undefined ? {} : { forMs: seconds * 1000 }),
      ...(signal ? { signal } : {}),
      turn: () => new Promise((resolve) => setImmediate(resolve)),
      run: (seed, world) => runSimulation({ ...optionsOf(flags), seed, world }),
      onFailure: (report, world) => {
        const lines = failureLines(report, world, flags);
        for (const line of lines) write(line);
        if (keep) keepReport(keep, { report, world, lines });
      },
      onProgress: (now) => {
        if (nowMs() - toldMs < progressMs) return;
        toldMs = nowMs();
        write(`... ${tallyText(now)}`);
      },
    }),
  );
  writeSummary(summary, write);
  return summary.failures.length > 0 ? 1 : 0;
}

/** Members refuse thousands of calls in a run, and nobody reads where: a trace shows it whole. */
async function withoutStacks<T>(work: () => Promise<T>): Promise<T> {
  const limit = Error.stackTraceLimit;
  Error.stackTraceLimit = 0;
  try {
    return await work();
  } finally {
    Error.stackTraceLimit = limit;
  }
}

/** One run with its whole timeline. */
async function traceSeed(
  flags: SimulateFlags,
  write: Write,
  recordings?: WorldRecordings,
): Promise<number> {
  const report = await runSimulation({
    ...optionsOf(flags),
    ...(recordings ? { recordings } : {}),
    linesMax: Number.POSITIVE_INFINITY,
  });
  for (const line of report.lines) write(line);
  if (report.failure) write(`FAILED  ${report.failure.message}`);
  write(`seed ${report.seed}  trace ${hashText(report)}  commit ${commitText()}`);
  return report.failure ? 1 : 0;
}

/** One run with what each member's core was told, in a folder for each. */
async function recordSeed(flags: SimulateFlags, folder: string, write: Write): Promise<number> {
  const recordings = new WorldRecordings({ segmentBytes: 64 * 1024 * 1024, segmentsKept: 1000 });
  const code = await traceSeed(flags, write, recordings);
  for (const [id, disk] of await recordings.close()) {
    const root = join(folder, nameOf(id));
    const paths = await listSegments(disk, recordingDirectory);
    mkdirSync(join(root, recordingDirectory), { recursive: true });
    for (const path of paths) writeFileSync(join(root, path), await readWhole(disk, path));
    write(`${paths.length} segments: npx holdfast simulate --replay ${root}`);
  }
  return code;
}

async function readWhole(disk: Disk, path: string): Promise<Uint8Array> {
  const file = await disk.open(path, { readOnly: true });
  const bytes = await file.read(0, await file.size());
  await file.close();
  return bytes;
}

async function replay(path: string, trace: boolean, write: Write): Promise<number> {
  // A folder may be called so as well.
  const isSegment = path.endsWith('.rec') && !statSync(path, noThrow)?.isDirectory();
  return await replayAll({
    disk: new NodeDisk(resolve(isSegment ? dirname(path) : path)),
    segment: isSegment ? basename(path) : undefined,
    trace,
    yieldNow: () => new Promise((turn) => setImmediate(turn)),
    write,
  });
}

/** The fewest faults with which this seed still fails. */
async function shrinkSeed(flags: SimulateFlags, write: Write): Promise<number> {
  const options = optionsOf(flags);
  const { failure, faults } = await runSimulation(options);
  if (!failure) {
    write(`seed ${options.seed} does not fail`);
    return 0;
  }
  const run = (without: ReadonlySet<number>): Promise<RunReport> =>
    runSimulation({ ...options, without });
  const { judge } = failure;
  const without = await shrinkPlan({ faults, run, judge, runsMax: shrinkRunsMax });
  write(`${judge}: ${faults - without.size} of ${faults} faults are enough`);
  write(
    `see it: ${commandOf(flags, options.seed, options.world)} --without ${[...without].join()}`,
  );
  return 1;
}

function optionsOf(flags: SimulateFlags): SimulationOptions & { readonly world: WorldName } {
  const { worlds, firstSeed, scenario, without } = flags;
  const world = worlds.at(-1) ?? 'cluster';
  return { seed: firstSeed, world, without, ...(scenario ? { scenario } : {}) };
}

function failureLines(
  report: RunReport,
  world: WorldName,
  flags: SimulateFlags,
): readonly string[] {
  return [
    ...report.lines,
    `FAILED  seed ${report.seed}  commit ${commitText()}  ${report.failure?.message}`,
    `see it again: ${commandOf(flags, report.seed, world)}`,
  ];
}

function commandOf({ scenario }: SimulateFlags, seed: number, world: WorldName): string {
  const inWorld = world === 'raft' ? ' --world raft' : '';
  const played = scenario ? ` --scenario ${scenario.name} --times ${scenario.times}` : '';
  return `npx holdfast simulate --seed ${seed} --trace${inWorld}${played}`;
}

/** A file a failing run, and a line in the list of them all. */
function keepReport(
  folder: string,
  kept: {
    readonly report: RunReport;
    readonly world: WorldName;
    readonly lines: readonly string[];
  },
): void {
  const { report, world, lines } = kept;
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, `${world}-${report.seed}.txt`), `${lines.join('\n')}\n`);
  const line = `${world} ${report.seed} ${commitText()} ${report.failure?.judge}\n`;
  appendFileSync(join(folder, 'failures.txt'), line);
}

/** Of all threads of this process: the collector and the compiler work beside the run. */
function processorMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

function tallyText(summary: CampaignSummary): string {
  const { runs, failures, simulatedMs, speed, processorSpeed, counters } = summary;
  const failed = failures.map(({ seed, world }) => `${world} ${seed}`).join(', ');
  const seconds = (simulatedMs / 1000).toFixed(0);
  const load = (1000 * (counters.operations ?? 0)) / Math.max(1, simulatedMs);
  return (
    `${runs} runs, ${failures.length} failed${failed ? `: ${failed}` : ''}\n` +
    `${seconds} simulated seconds, ${speed.toFixed(0)} for each real second, ` +
    `${processorSpeed.toFixed(0)} for each second of processor time; ` +
    `${load.toFixed(1)} client operations in each`
  );
}

function writeSummary(summary: CampaignSummary, write: Write): void {
  write(tallyText(summary));
  write(
    Object.entries(summary.counters)
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
