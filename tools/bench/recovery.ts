// `npm run bench:recovery`: how long it takes to come back (C-19). Real processes over loopback,
// data in fresh folders on this disk; prints one table, and with --write puts it into
// docs/recovery.md. It asserts no duration.
import { execFileSync } from 'node:child_process';
import { cp, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { cpus, loadavg } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';

import { messageOf } from '@holdfast/base/errors';
import { memberId } from '@holdfast/base/ids';

import { withMarkedPart } from './marked-part.ts';
import { Progress } from './progress.ts';
import { type Plan, RecoveryCluster, statusOf } from './recovery-cluster.ts';
import { copyGroup, type Filled, fillDirectory } from './recovery-directory.ts';
import { type Row, recoveryTable } from './recovery-report.ts';
import {
  allRestarted,
  followerCatchUp,
  install,
  leaderFrozen,
  leaderKilled,
  type Restart,
  restart,
  writesBesideSnapshots,
} from './recovery-trials.ts';
import { measureDisk } from './system-figures.ts';

const usage = `npm run bench:recovery -- [options]
  --trials N   of the cheap scenarios (default 10)
  --heavy N    of those with a million keys (default 5)
  --keys N     of the large ones (default 1000000)
  --only PART  small, restarts, large or worst
  --write      puts the table into docs/recovery.md
`;

type Options = {
  readonly trials: number;
  readonly heavy: number;
  readonly keys: number;
  readonly only: string | undefined;
  readonly write: boolean;
};

class RecoveryBench {
  readonly #options: Options;
  readonly #progress: Progress;
  readonly #rows: Row[] = [];

  constructor(options: Options, progress: Progress) {
    this.#options = options;
    this.#progress = progress;
  }

  async run(): Promise<readonly Row[]> {
    const { keys, heavy, only } = this.#options;
    const parts: Readonly<Record<string, () => Promise<void>>> = {
      small: () => this.#small(),
      restarts: () => this.#restarts({ keys: keys / 10, behind: 0, trials: 5 }),
      large: () => this.#large(),
      worst: () => this.#restarts({ keys, behind: 250_000, trials: heavy }),
    };
    for (const [name, part] of Object.entries(parts)) if (!only || only === name) await part();
    return this.#rows;
  }

  /** A cluster with little in it: what elections, detection and a process' start cost. */
  async #small(): Promise<void> {
    const cluster = await RecoveryCluster.create();
    try {
      for (const plan of cluster.plans) cluster.start(plan);
      await cluster.untilAllReady();
      const { trials } = this.#options;
      await this.#times('a follower is killed: it has caught up', trials, () =>
        followerCatchUp(cluster),
      );
      await this.#times('the leader is killed: first write elsewhere', trials, () =>
        leaderKilled(cluster),
      );
      const frozen = await this.#repeat('leader frozen', trials, () => leaderFrozen(cluster));
      this.#rows.push(
        {
          scenario: 'the leader is frozen: first write elsewhere',
          unit: 'ms',
          values: frozen.map(({ firstWriteMs }) => firstWriteMs),
        },
        {
          scenario: 'it goes on: it follows, with everything',
          unit: 'ms',
          values: frozen.map(({ healedMs }) => healedMs),
        },
      );
      await this.#times(
        "all three are killed: first write after the second one's start",
        Math.ceil(trials / 2),
        () => allRestarted(cluster),
        '2,500 ms to a leader',
      );
    } finally {
      await cluster.close();
    }
  }

  /** A follower of a cluster that is filled so far. */
  async #restarts(size: {
    readonly keys: number;
    readonly behind: number;
    readonly trials: number;
  }): Promise<void> {
    const cluster = await RecoveryCluster.create();
    try {
      await this.#fill(cluster, { ...size, members: cluster.plans });
      await copyGroup(dataOf(cluster, 0), dataOf(cluster, 1));
      await copyGroup(dataOf(cluster, 0), dataOf(cluster, 2));
      for (const plan of cluster.plans) cluster.start(plan);
      await cluster.untilAllReady();
      const name = sizeName(size.keys, size.behind);
      const all = await this.#repeat(`restart with ${name}`, size.trials, () => restart(cluster));
      this.#pushRestarts(name, size.behind, all);
    } finally {
      await cluster.close();
    }
  }

  #pushRestarts(name: string, behind: number, all: readonly Restart[]): void {
    const isAsked = behind === 200_000;
    this.#rows.push({
      scenario: `restart to ready, ${name}`,
      unit: 's',
      values: all.map(({ readyMs }) => readyMs / 1000),
      ...(isAsked ? { target: '3 s' } : {}),
    });
    this.#rows.push({
      scenario: '- processor time',
      unit: 's',
      values: all.map(({ cpuMs }) => cpuMs / 1000),
    });
    for (const phase of ['snapshot-load', 'log', 'replay']) {
      const values = all.map(({ phases }) => phases.get(phase) ?? 0);
      if (behind > 0) this.#rows.push({ scenario: `- of which ${phase}`, unit: 'ms', values });
    }
    if (behind === 0) return;
    const values = all.map(({ phases }) => (behind * 1000) / (phases.get('replay') ?? 1));
    const target = isAsked ? '200,000 entries/s' : '';
    this.#rows.push({ scenario: '- entries replayed', unit: 'entries/s', values, target });
  }

  /** Installs, restarts, and writes beside a snapshot, all with the large store. */
  async #large(): Promise<void> {
    const cluster = await RecoveryCluster.create();
    const pristine = join(cluster.directory, 'pristine');
    const size = { keys: this.#options.keys, behind: 200_000 };
    const [first, second, newcomer] = cluster.plans as readonly [Plan, Plan, Plan];
    try {
      // A directory that was ever bound to the newcomer's id would be missed (safety.md 15).
      const filled = await this.#fill(cluster, { ...size, members: [first, second] });
      await copyGroup(dataOf(cluster, 0), dataOf(cluster, 1));
      await mkdir(pristine);
      for (const plan of [first, second]) {
        await cp(cluster.dataOf(plan), join(pristine, plan.name), { recursive: true });
      }
      const installs = await this.#repeat('install', this.#options.heavy, async () => {
        // It would tell the others whose directory it is, and its next one would be turned away.
        await cluster.stop(newcomer);
        for (const plan of [first, second]) {
          await cluster.stop(plan);
          await rm(cluster.dataOf(plan), { recursive: true });
          await cp(join(pristine, plan.name), cluster.dataOf(plan), { recursive: true });
        }
        // Else the disk would still write the copies down while the install is measured.
        execFileSync('sync');
        cluster.start(first);
        cluster.start(second);
        await cluster.untilReady(first);
        await cluster.untilReady(second);
        return install(cluster, newcomer);
      });
      this.#pushInstalls(filled, installs);
      await rm(pristine, { recursive: true });
      const name = sizeName(size.keys, size.behind);
      const all = await this.#repeat(`restart with ${name}`, 5, () => restart(cluster));
      this.#pushRestarts(name, size.behind, all);
      await this.#writes(cluster);
    } finally {
      await cluster.close();
    }
  }

  #pushInstalls(
    filled: Filled,
    installs: readonly { readonly installedMs: number; readonly caughtUpMs: number }[],
  ): void {
    const megabytes = filled.snapshotBytes / 1e6;
    this.#rows.push(
      {
        scenario: `snapshot of ${megabytes.toFixed(0)} MB into an empty member`,
        unit: 'MB/s',
        values: installs.map(({ installedMs }) => (megabytes * 1000) / installedMs),
        target: '100 MB/s',
        note: 'sent, checked, written, synced and loaded',
      },
      {
        scenario: '- until it also has the entries behind it',
        unit: 's',
        values: installs.map(({ caughtUpMs }) => caughtUpMs / 1000),
      },
    );
  }

  async #writes(cluster: RecoveryCluster): Promise<void> {
    this.#progress.begin('writes beside a snapshot');
    const load = { keys: this.#options.keys, inFlight: 64, msMax: 90_000 };
    const { quiet, busy, busyMs } = await writesBesideSnapshots(cluster, load);
    this.#progress.done(weights.writes);
    const note = `${(busyMs / 1000).toFixed(1)} s of snapshots`;
    const row = (scenario: string, values: readonly number[]): Row => ({
      scenario,
      unit: 'ms',
      values,
    });
    const quantiles = (of: typeof quiet): number[] => [of.quantile(0.5), of.quantile(0.99)];
    const [quietP50, quietP99] = quantiles(quiet) as [number, number];
    const [busyP50, busyP99] = quantiles(busy) as [number, number];
    this.#rows.push(
      row('a put, 64 in flight: p50 without a snapshot', [quietP50]),
      row('- p99 without', [quietP99]),
      { ...row('- p50 while members write one', [busyP50]), note },
      row('- p99 while', [busyP99]),
      { scenario: '- p99 while / without', unit: 'x', values: [busyP99 / quietP99], target: '3 x' },
    );
  }

  /** Starts those members once, and gives the first of them its state. */
  async #fill(
    cluster: RecoveryCluster,
    size: {
      readonly keys: number;
      readonly behind: number;
      readonly members: readonly Plan[];
    },
  ): Promise<Filled> {
    this.#progress.begin(`filling ${size.keys.toLocaleString('en')} keys`);
    for (const plan of size.members) cluster.start(plan);
    for (const plan of size.members) await cluster.untilReady(plan);
    const status = await cluster.until('it answers', () => statusOf(cluster.plans[0] as Plan));
    for (const plan of size.members) await cluster.stop(plan, 'SIGTERM');
    const filled = await fillDirectory({
      root: dataOf(cluster, 0),
      voters: status.members.map(({ id }) => memberId(BigInt(`0x${id}`))),
      keys: size.keys,
      valueBytes: 256,
      entriesBehind: size.behind,
      onProgress: () => undefined,
    });
    this.#progress.done(weights.fill);
    return filled;
  }

  async #times(
    scenario: string,
    trials: number,
    trial: () => Promise<number>,
    target?: string,
  ): Promise<void> {
    const values = await this.#repeat(scenario, trials, trial);
    this.#rows.push({ scenario, unit: 'ms', values, ...(target ? { target } : {}) });
  }

  async #repeat<T>(what: string, trials: number, trial: () => Promise<T>): Promise<T[]> {
    const results: T[] = [];
    for (let n = 0; n < trials; n += 1) {
      this.#progress.begin(`${what}, ${n + 1} of ${trials}`);
      results.push(await trial());
      this.#progress.done(weights.trial);
    }
    return results;
  }
}

/** Seconds, about. */
const weights = { trial: 3, fill: 20, writes: 40 };

const dataOf = (cluster: RecoveryCluster, at: number): string =>
  cluster.dataOf(cluster.plans[at] as Plan);

const sizeName = (keys: number, behind: number): string => {
  const stored = `${keys.toLocaleString('en')} keys of 256 bytes`;
  return behind > 0 ? `${stored}, ${behind.toLocaleString('en')} entries behind` : stored;
};

function readOptions(): Options {
  const { values } = parseArgs({
    options: {
      trials: { type: 'string', default: '10' },
      heavy: { type: 'string', default: '5' },
      keys: { type: 'string', default: '1000000' },
      only: { type: 'string' },
      write: { type: 'boolean', default: false },
    },
  });
  const { trials, heavy, keys, only, write } = values;
  return { trials: Number(trials), heavy: Number(heavy), keys: Number(keys), only, write };
}

async function main(): Promise<void> {
  const options = readOptions();
  const syncMs = await measureDisk();
  const [load = 0] = loadavg();
  const trials = options.trials * 3.5 + options.heavy * 2 + 10;
  const progress = new Progress(trials * weights.trial + 3 * weights.fill + weights.writes);
  try {
    const rows = await new RecoveryBench(options, progress).run();
    const table = recoveryTable(rows, {
      cpus: `${cpus().length} cores (${cpus()[0]?.model.trim() ?? 'unknown'})`,
      node: process.versions.node,
      syncMs,
      atUtc: new Date().toISOString(),
      load,
    });
    if (options.write) {
      const path = 'docs/recovery.md';
      await writeFile(path, withMarkedPart(await readFile(path, 'utf8'), 'bench:recovery', table));
    }
    process.stdout.write(`\n${table}`);
  } finally {
    progress.close();
  }
}

try {
  await main();
} catch (error) {
  process.stderr.write(`bench:recovery: ${messageOf(error)}\n\n${usage}`);
  process.exitCode = 1;
}
