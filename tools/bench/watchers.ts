// `npm run bench:watchers`: 50,000 watchers on three members, all of them reading and with one in
// twenty of their connections no longer read, and what they cost the writes. Two clusters run at a
// time, of which one is watched; they are written to in turn, a second each, so that both find the
// machine alike. Each live watcher's list of events is held against the log of what was written.
// Prints a table, and with --write puts it into docs/benchmarks.md; asserts nothing.
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import { constants, setPriority } from 'node:os';
import { parseArgs } from 'node:util';

import { sleep } from '@holdfast/base/clock';
import { messageOf } from '@holdfast/base/errors';
import { SystemClock } from '@holdfast/base/system-clock';

import type { CrowdAnswer, CrowdOrder } from '../watchers/crowd-process.ts';
import { SteadyWriter } from '../watchers/steady-writer.ts';
import { type CrowdPlan, type CrowdReport, stuckKeysOf } from '../watchers/watch-crowd.ts';
import { BenchCluster } from './bench-cluster.ts';
import { withMarkedPart } from './marked-part.ts';
import { fetchMetrics } from './metrics.ts';
import { cpuMsOf, residentMiBOf } from './system-figures.ts';
import {
  type Both,
  type Phase,
  phaseLine,
  type Round,
  type Setting,
  type Trial,
  watchersTable,
} from './watchers-report.ts';

const usage = `npm run bench:watchers -- [options]
  --told N,N,...    watchers that a put reaches, a trial each: parts of them all (default 1,50)
  --rounds N        of a trial: the watchers come anew in each (default 4)
  --pairs N         of seconds in a phase of a round, one of them watched (default 9: a member
                    ends who reads nothing for 30 s)
  --watchers N      over all members (default 50000)
  --connections N   that they come on (default 1000)
  --streams N       of each connection (default 1)
  --value-bytes N   of each put (default 1024)
  --writes N        a second (default 200)
  --one-in N        connections of which one stops reading (default 20)
  --unread-mib N    the members' --watch-unread-bytes-max (default 4)
  --profile FOLDER  puts a CPU profile of each member there
  --write           puts the table into docs/benchmarks.md
`;

const clock = new SystemClock();
/** In which code that was never run is compiled: the first seconds would pay for it otherwise. */
const warmUpSeconds = 15;
/** What the opening of the watchers has left behind is over then: it is no cost of having them. */
const settleSeconds = 3;
/** What a second left to be done is no load of the next one, which is the other cluster's. */
const restMs = 100;
/** What a stuck client takes is the window of its connection, 64 KiB: this many KiB fill it. */
const fillKiB = 100;
const fillWritesPerSecond = 800;
const document = 'docs/benchmarks.md';

type Options = Setting & {
  readonly streams: number;
  readonly told: readonly number[];
  readonly rounds: number;
  readonly profile: string | undefined;
  readonly write: boolean;
};

/** In a process of its own that gives way to all others: watchers are on other machines. */
class Crowd {
  readonly #child: ChildProcess = fork(new URL('../watchers/crowd-process.ts', import.meta.url));

  constructor() {
    setPriority(this.#child.pid as number, constants.priority.PRIORITY_LOW);
  }

  async order(order: CrowdOrder): Promise<CrowdAnswer> {
    this.#child.send(order);
    const [answer] = (await once(this.#child, 'message')) as [CrowdAnswer];
    if (answer.error !== undefined) throw new Error(answer.error);
    return answer;
  }

  /** Told, and printed: who was told how much, and whose list is not the log's. */
  async report(who: string, writer: SteadyWriter): Promise<CrowdReport> {
    const { report } = await this.order({ do: 'report', log: writer.log });
    if (!report) throw new Error('the crowd has no report');
    const { watchers, events, wrong, over } = report;
    if (events === 0) throw new Error(`${who}: nobody was told anything, so nothing was measured`);
    print(
      `  ${who}: ${watchers} watchers were told ${events} events; ${wrong} lists are not the ` +
        `log's, ${over} were ended`,
    );
    return report;
  }

  async end(): Promise<void> {
    const exited = once(this.#child, 'exit');
    this.#child.disconnect();
    await exited;
  }
}

/** A cluster that is written to. */
class Side {
  readonly cluster: BenchCluster;
  readonly writer: SteadyWriter;
  readonly #writes: number;
  #cpuMs = 0;

  constructor(cluster: BenchCluster, writer: SteadyWriter, writes: number) {
    this.cluster = cluster;
    this.writer = writer;
    this.#writes = writes;
  }

  static async open(cluster: BenchCluster, plan: CrowdPlan & Setting): Promise<Side> {
    const writer = await SteadyWriter.open(await leaderOf(cluster), plan);
    return new Side(cluster, writer, plan.writes);
  }

  /** Answers what the puts of that second took, in order of size. */
  async second(): Promise<readonly number[]> {
    const before = await this.#cpuMsNow();
    const times = await this.writer.write(this.#writes, 1);
    await sleep(clock, restMs);
    this.#cpuMs += (await this.#cpuMsNow()) - before;
    return times;
  }

  /** Since this was asked last. */
  takeCpuMs(): number {
    const cpuMs = this.#cpuMs;
    this.#cpuMs = 0;
    return cpuMs;
  }

  async #cpuMsNow(): Promise<number> {
    const each = this.cluster.members.map((one) => cpuMsOf(pidOf(one.process)));
    return (await Promise.all(each)).reduce((sum, ms) => sum + ms, 0);
  }
}

/** Watchers of so many keys that a put reaches as many of them as is asked for. */
class WatchersTrial {
  readonly #options: Options;
  readonly #plan: CrowdPlan & Setting;
  #crowd = new Crowd();
  readonly #watched: Side;
  readonly #plain: Side;

  private constructor(options: Options, plan: CrowdPlan & Setting, sides: readonly [Side, Side]) {
    this.#options = options;
    this.#plan = plan;
    [this.#watched, this.#plain] = sides;
  }

  static async run(
    told: number,
    options: Options,
    clusters: readonly [BenchCluster, BenchCluster],
  ): Promise<Trial> {
    const { endpoints } = clusters[0];
    const plan = { ...options, keys: options.watchers / told, endpoints };
    const sides = [await Side.open(clusters[0], plan), await Side.open(clusters[1], plan)] as const;
    const trial = new WatchersTrial(options, plan, sides);
    try {
      return { told, rounds: await trial.#play() };
    } finally {
      await trial.#crowd.end();
      for (const { writer } of sides) {
        if (writer.failures > 0) print(`${writer.failures} puts failed, or got lost`);
        writer.close();
      }
    }
  }

  async #play(): Promise<readonly Round[]> {
    await this.#write(warmUpSeconds);
    const rounds: Round[] = [];
    for (let at = 0; at < this.#options.rounds; at += 1) {
      print(` round ${at + 1}`);
      if (at > 0) {
        await this.#crowd.end();
        this.#crowd = new Crowd();
      }
      rounds.push(await this.#playRound());
    }
    return rounds;
  }

  async #playRound(): Promise<Round> {
    await this.#crowd.order({ do: 'open', plan: this.#plan });
    await this.#write(settleSeconds);
    const live = await this.#phase('all read');
    await this.#stick();
    const stuck = await this.#phase('some are stuck');
    const liveReport = await this.#crowd.report('the live ones', this.#watched.writer);
    await this.#crowd.order({ do: 'read on' });
    const all = await this.#crowd.report('all, reading', this.#watched.writer);
    return { live, stuck, reports: { live: liveReport, all } };
  }

  async #write(seconds: number): Promise<void> {
    const { writes } = this.#options;
    for (const { writer } of [this.#watched, this.#plain]) await writer.write(writes, seconds);
  }

  /** Until the clients that do not read have as much as they take. */
  async #stick(): Promise<void> {
    const { oneIn, connections, valueBytes, watchers } = this.#options;
    await this.#crowd.order({ do: 'stop reading', oneIn });
    const events = Math.ceil((fillKiB * 1024) / valueBytes) * Math.ceil(connections / oneIn);
    const puts = Math.ceil((events * this.#plan.keys) / watchers);
    const keys = stuckKeysOf(this.#plan, oneIn);
    await this.#watched.writer.write(fillWritesPerSecond, puts / fillWritesPerSecond, keys);
    // They have it all before anything is measured.
    await this.#crowd.report('the live ones', this.#watched.writer);
  }

  async #phase(name: string): Promise<Phase> {
    const { members, endpoints } = this.#watched.cluster;
    const { pairs, writes } = this.#options;
    const cpuUsOf = (side: Side): number => (side.takeCpuMs() * 1000) / (pairs * writes);
    await Promise.all(endpoints.map(fetchMetrics)); // Begins its maxima anew.
    const seconds: Both<readonly number[]>[] = [];
    for (let at = 0; at < pairs; at += 1) {
      // What one of them leaves behind is no habit of the other's.
      const isFirst = at % 2 === 0;
      const before = isFirst ? await this.#watched.second() : undefined;
      const without = await this.#plain.second();
      seconds.push({ with: before ?? (await this.#watched.second()), without });
    }
    const metrics = await Promise.all(endpoints.map(fetchMetrics));
    const of = (metric: string): number[] => metrics.map((values) => values?.get(metric) ?? 0);
    const resident = await Promise.all(members.map((one) => residentMiBOf(pidOf(one.process))));
    const phase: Phase = {
      seconds,
      cpuUs: { with: cpuUsOf(this.#watched), without: cpuUsOf(this.#plain) },
      residentMiB: Math.max(...resident),
      unreadMiB: Math.max(...of('watch_unread_bytes')) / 2 ** 20,
      givenUp: of('watch_streams_given_up_total').reduce((sum, one) => sum + one, 0),
      loopMs: Math.max(...of('nodejs_eventloop_lag_max_seconds')) * 1000,
    };
    print(`  ${name}: ${phaseLine(phase)}`);
    return phase;
  }
}

const pidOf = ({ pid }: ChildProcess): number => pid as number;

async function leaderOf(cluster: BenchCluster): Promise<string> {
  const answer = await fetch(`http://${cluster.endpoints[0]}/v1/cluster`);
  const { members } = (await answer.json()) as {
    readonly members: readonly { readonly role: string; readonly clientAddresses: string[] }[];
  };
  const leader = members.find(({ role }) => role === 'leader')?.clientAddresses[0];
  if (leader === undefined) throw new Error('there is no leader');
  return leader;
}

const print = (text: string): void => void process.stdout.write(`${text}\n`);

const numbers = {
  ...{ watchers: '50000', connections: '1000', streams: '1', pairs: '9', rounds: '4' },
  ...{ 'value-bytes': '1024', writes: '200', 'one-in': '20', 'unread-mib': '4' },
} as const;

function readOptions(): Options {
  const { values } = parseArgs({
    options: {
      ...(Object.fromEntries(
        Object.entries(numbers).map(([name, value]) => [name, { type: 'string', default: value }]),
      ) as Record<keyof typeof numbers, { type: 'string'; default: string }>),
      told: { type: 'string', default: '1,50' },
      profile: { type: 'string' },
      write: { type: 'boolean', default: false },
    },
  });
  const { connections, streams, writes, pairs, rounds } = values;
  const watchers = Number(values.watchers);
  const told = values.told.split(',').map(Number);
  const odd = told.find((one) => !Number.isInteger(watchers / one));
  if (odd !== undefined) {
    throw new Error(`--told ${odd}: ${watchers} watchers do not share keys ${odd} by ${odd}`);
  }
  return {
    ...{ told, watchers, connections: Number(connections), streams: Number(streams) },
    ...{ writes: Number(writes), pairs: Number(pairs), valueBytes: Number(values['value-bytes']) },
    ...{ oneIn: Number(values['one-in']), unreadMiB: Number(values['unread-mib']) },
    ...{ rounds: Number(rounds), profile: values.profile, write: values.write },
  };
}

async function runAll(options: Options): Promise<readonly Trial[]> {
  const { profile } = options;
  const flags = profile === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${profile}`];
  const watched = await BenchCluster.start(3, flags);
  try {
    const plain = await BenchCluster.start(3);
    try {
      const trials: Trial[] = [];
      for (const told of options.told) {
        print(`a put reaches ${told}`);
        trials.push(await WatchersTrial.run(told, options, [watched, plain]));
      }
      return trials;
    } finally {
      await plain.close();
    }
  } finally {
    await watched.close();
  }
}

async function main(): Promise<void> {
  const options = readOptions();
  // The members inherit it.
  process.env.HOLDFAST_WATCH_UNREAD_BYTES_MAX = String(options.unreadMiB * 2 ** 20);
  const table = watchersTable(options, await runAll(options));
  print(`\n${table}`);
  if (!options.write) return;
  await writeFile(
    document,
    withMarkedPart(await readFile(document, 'utf8'), 'bench:watchers', table),
  );
}

try {
  await main();
} catch (error) {
  process.stderr.write(`${messageOf(error)}\n${usage}`);
  process.exitCode = 1;
}
