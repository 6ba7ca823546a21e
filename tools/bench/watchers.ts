// `npm run bench:watchers`: 50,000 watchers of a thousand keys on three members, and what they cost
// the writes: without them, with them, and with one in twenty of their connections no longer read.
// Each live watcher's list of events is held against the log of what was written. Prints a table,
// and with --write puts it into docs/benchmarks.md; asserts nothing.
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
import type { CrowdReport } from '../watchers/watch-crowd.ts';
import { BenchCluster } from './bench-cluster.ts';
import { withMarkedPart } from './marked-part.ts';
import { fetchMetrics } from './metrics.ts';
import { cpuMsOf, residentMiBOf, systemCpuMs } from './system-figures.ts';
import { type Phase, phaseLine, type Round, type Trial, watchersTable } from './watchers-report.ts';

const usage = `npm run bench:watchers -- [options]
  --watchers N      over all members (default 50000)
  --connections N   that they come on (default 1000)
  --streams N       of each connection (default 1)
  --keys N          that they watch (default 1000)
  --value-bytes N   of each put (default 1024)
  --writes N        a second (default 200)
  --seconds N       of each phase (default 10)
  --rounds N        (default 6)
  --one-in N        connections of which one stops reading (default 20)
  --unread-mib N    the members' --watch-unread-bytes-max (default 1)
  --profile FOLDER  puts a CPU profile of each member there
  --write           puts the table into docs/benchmarks.md
`;

const clock = new SystemClock();
/** In which code that was never run is compiled: the first phase would pay for it otherwise. */
const warmUpSeconds = 20;
/** What the opening of the watchers has left behind is over then: it is no cost of having them. */
const settleSeconds = 5;
/** What stuck clients take at once is the window of their connection: written until it is full. */
const fillSeconds = 4;
const fillTimes = 3;
const document = 'docs/benchmarks.md';

type Options = Trial & {
  readonly streams: number;
  readonly rounds: number;
  readonly profile: string | undefined;
  readonly write: boolean;
};

/** In a process of its own that gives way to all others: watchers are on other machines. */
class Crowd {
  readonly #child: ChildProcess = fork(new URL('../watchers/crowd-process.ts', import.meta.url));

  constructor() {
    setPriority(this.pid, constants.priority.PRIORITY_LOW);
  }

  get pid(): number {
    return this.#child.pid as number;
  }

  async order(order: CrowdOrder): Promise<CrowdAnswer> {
    this.#child.send(order);
    const [answer] = (await once(this.#child, 'message')) as [CrowdAnswer];
    if (answer.error !== undefined) throw new Error(answer.error);
    return answer;
  }

  async end(): Promise<void> {
    const exited = once(this.#child, 'exit');
    this.#child.disconnect();
    await exited;
  }
}

class WatchersBench {
  readonly #options: Options;
  readonly #cluster: BenchCluster;
  readonly #writer: SteadyWriter;
  #crowd: Crowd | undefined;

  private constructor(options: Options, cluster: BenchCluster, writer: SteadyWriter) {
    this.#options = options;
    this.#cluster = cluster;
    this.#writer = writer;
  }

  static async run(options: Options): Promise<readonly Round[]> {
    const { profile } = options;
    const flags = profile === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${profile}`];
    const cluster = await BenchCluster.start(3, flags);
    try {
      const writer = await SteadyWriter.open(await leaderOf(cluster), options);
      const rounds = await new WatchersBench(options, cluster, writer).#play();
      writer.close();
      if (writer.failures > 0) print(`${writer.failures} puts failed, or got lost`);
      return rounds;
    } finally {
      await cluster.close();
    }
  }

  async #play(): Promise<readonly Round[]> {
    await this.#writer.write(this.#options.writes, warmUpSeconds);
    const rounds: Round[] = [];
    for (let at = 0; at < this.#options.rounds; at += 1) {
      print(`round ${at + 1}`);
      const isFirst = at % 2 === 0;
      const before = isFirst ? await this.#phase('no watchers') : undefined;
      const crowded = await this.#playCrowded();
      rounds.push({ ...crowded, none: before ?? (await this.#phase('no watchers')) });
    }
    return rounds;
  }

  async #playCrowded(): Promise<Omit<Round, 'none'>> {
    const { watchers, writes, oneIn } = this.#options;
    const crowd = new Crowd();
    this.#crowd = crowd;
    try {
      const beganMs = performance.now();
      const plan = { ...this.#options, endpoints: this.#cluster.endpoints };
      await crowd.order({ do: 'open', plan });
      print(
        `  ${watchers} watchers opened in ${((performance.now() - beganMs) / 1000).toFixed(1)} s`,
      );
      await this.#writer.write(writes, settleSeconds);
      const live = await this.#phase('all read');
      const { stuck: count = 0 } = await crowd.order({ do: 'stop reading', oneIn });
      await this.#writer.write(writes * fillTimes, fillSeconds);
      await this.#report('the live ones'); // Which have to have it all before.
      const stuck = await this.#phase(`${count} do not read`);
      const told = { live: await this.#report('the live ones'), all: await this.#reportAll() };
      return { live, stuck, told };
    } finally {
      this.#crowd = undefined;
      await crowd.end();
      await sleep(clock, 1000);
    }
  }

  async #reportAll(): Promise<CrowdReport> {
    await this.#crowd?.order({ do: 'read on' });
    return await this.#report('all, reading');
  }

  async #report(who: string): Promise<CrowdReport> {
    const report = (await this.#crowd?.order({ do: 'report', log: this.#writer.log }))?.report;
    if (!report) throw new Error('the crowd has no report');
    const { watchers, events, wrong, over } = report;
    print(
      `  ${who}: ${watchers} watchers were told ${events} events; ${wrong} lists are not the ` +
        `log's, ${over} were ended`,
    );
    return report;
  }

  async #phase(name: string): Promise<Phase> {
    const { endpoints, members } = this.#cluster;
    const { writes, seconds } = this.#options;
    await Promise.all(endpoints.map(fetchMetrics)); // Begins its maxima anew.
    const before = await this.#cpuMs();
    const beganMs = performance.now();
    const latencies = await this.#writer.write(writes, seconds);
    const tookMs = performance.now() - beganMs;
    const after = await this.#cpuMs();
    const metrics = await Promise.all(endpoints.map(fetchMetrics));
    const of = (metric: string): number[] => metrics.map((values) => values?.get(metric) ?? 0);
    const resident = await Promise.all(members.map((one) => residentMiBOf(pidOf(one.process))));
    const cores = (who: keyof Phase['cpu']): number => (after[who] - before[who]) / tookMs;
    const phase: Phase = {
      ...latencies,
      residentMiB: Math.max(...resident),
      unreadMiB: Math.max(...of('watch_unread_bytes')) / 2 ** 20,
      givenUp: of('watch_streams_given_up_total').reduce((sum, one) => sum + one, 0),
      loopMs: Math.max(...of('nodejs_eventloop_lag_max_seconds')) * 1000,
      cpu: {
        ...{ members: cores('members'), crowd: cores('crowd'), writer: cores('writer') },
        others: cores('others'),
      },
    };
    print(`  ${name}: ${phaseLine(phase)}`);
    return phase;
  }

  async #cpuMs(): Promise<Phase['cpu']> {
    const each = this.#cluster.members.map((one) => cpuMsOf(pidOf(one.process)));
    const members = (await Promise.all(each)).reduce((sum, ms) => sum + ms, 0);
    const crowd = this.#crowd ? await cpuMsOf(this.#crowd.pid) : 0;
    const { user, system } = process.cpuUsage();
    const writer = (user + system) / 1000;
    return { members, crowd, writer, others: (await systemCpuMs()) - members - crowd - writer };
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
  ...{ watchers: '50000', connections: '1000', streams: '1', keys: '1000' },
  ...{ 'value-bytes': '1024', writes: '200', seconds: '10', rounds: '6', 'one-in': '20' },
  'unread-mib': '1',
} as const;

function readOptions(): Options {
  const { values } = parseArgs({
    options: {
      ...(Object.fromEntries(
        Object.entries(numbers).map(([name, value]) => [name, { type: 'string', default: value }]),
      ) as Record<keyof typeof numbers, { type: 'string'; default: string }>),
      profile: { type: 'string' },
      write: { type: 'boolean', default: false },
    },
  });
  const { watchers, connections, streams, keys, writes, seconds, rounds } = values;
  return {
    ...{ watchers: Number(watchers), connections: Number(connections), streams: Number(streams) },
    ...{ keys: Number(keys), writes: Number(writes), seconds: Number(seconds) },
    ...{ rounds: Number(rounds), valueBytes: Number(values['value-bytes']) },
    ...{ oneIn: Number(values['one-in']), unreadMiB: Number(values['unread-mib']) },
    ...{ profile: values.profile, write: values.write },
  };
}

async function main(): Promise<void> {
  const options = readOptions();
  // The members inherit it.
  process.env.HOLDFAST_WATCH_UNREAD_BYTES_MAX = String(options.unreadMiB * 2 ** 20);
  const table = watchersTable(options, await WatchersBench.run(options));
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
