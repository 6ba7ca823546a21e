// `npm run bench`: starts its own cluster of three processes with their data on this disk, loads it
// from a process of its own, and prints what was committed, read and spent. It asserts no duration.
import { writeFile } from 'node:fs/promises';
import { cpus } from 'node:os';
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';

import { messageOf } from '@holdfast/base/errors';

import { BenchCluster } from './bench-cluster.ts';
import { LoadClient } from './load-client.ts';
import type { LoadPlan, LoadProtocol, LoadResult } from './load-plan.ts';
import { counterNames, fetchMetrics } from './metrics.ts';
import { type BenchLine, type BenchReport, toMarkdown } from './report.ts';
import { cpuMsOf, measureDisk, residentMiBOf } from './system-figures.ts';

const usage = `npm run bench -- [options]
  --members N        members of the cluster (default 3)
  --endpoints H:P,.. load a running cluster instead, all of these
  --target leader|all  who is asked (default leader)
  --by http|frames|grpc  how it is asked (default http); sdk, sdk-http: by the client library,
                     in frames or over HTTP, on as many connections as that takes
  --only TEXT        of the settings those with it in their names, as 'put 256'
  --rounds N         of each setting, of which the median is shown (default 3)
  --seconds S        a round (default 5)
  --warmup S         before the first (default 5)
  --keys N           distinct keys, and the number at which memory is measured (default 100000)
  --profile FOLDER   writes a CPU profile of each member there, as browsers read them
  --out FILE         writes FILE.json and FILE.md (default .holdfast/bench)
`;

type Setting = Pick<LoadPlan, 'kind' | 'inFlight' | 'connections'>;

const settings: readonly Setting[] = [
  { kind: 'put', inFlight: 1, connections: 1 },
  { kind: 'put', inFlight: 64, connections: 6 },
  { kind: 'put', inFlight: 256, connections: 12 },
  { kind: 'put', inFlight: 256, connections: 256 },
  { kind: 'put', inFlight: 1000, connections: 48 },
  { kind: 'get-linearizable', inFlight: 1, connections: 1 },
  { kind: 'get-linearizable', inFlight: 64, connections: 6 },
  { kind: 'get-linearizable', inFlight: 256, connections: 12 },
  { kind: 'get-stale', inFlight: 64, connections: 6 },
  { kind: 'get-stale', inFlight: 256, connections: 12 },
];

const valueBytes = 256;

type Options = {
  readonly members: number;
  readonly endpoints: readonly string[] | undefined;
  readonly target: string;
  readonly by: LoadProtocol;
  readonly only: string;
  readonly rounds: number;
  readonly roundMs: number;
  readonly warmupMs: number;
  readonly keys: number;
  readonly profile: string | undefined;
  readonly out: string;
};

/** One round of one setting, with what the members spent in it. */
type Round = {
  readonly result: LoadResult;
  readonly membersCpuMs: number | undefined;
  readonly entriesPerSync: number | undefined;
};

class Bench {
  readonly #options: Options;
  readonly #load = new LoadClient();
  readonly #cluster: BenchCluster | undefined;
  readonly #endpoints: readonly string[];

  constructor(options: Options, cluster: BenchCluster | undefined, endpoints: readonly string[]) {
    this.#options = options;
    this.#cluster = cluster;
    this.#endpoints = endpoints;
  }

  async run(disk: BenchReport['disk']): Promise<BenchReport> {
    const { rounds, roundMs, warmupMs, keys, target, by } = this.#options;
    say(`warming up for ${warmupMs / 1_000} s ...`);
    const warmup = { kind: 'put', inFlight: 64, connections: 6 } as const;
    await this.#load.run(await this.#plan(warmup, warmupMs));
    say(`writing ${keys.toLocaleString('en')} keys ...`);
    await this.#fill();
    const memory = await this.#memory();
    const lines = await this.#measureAll(rounds, roundMs);
    return {
      atUtc: new Date().toISOString(),
      node: process.versions.node,
      cpus: `${cpus().length} x ${cpus()[0]?.model ?? 'unknown processor'}`,
      members: this.#endpoints.length,
      target: target === 'all' ? 'all members' : 'the leader',
      by,
      valueBytes,
      rounds,
      roundMs,
      disk,
      lines,
      memory,
    };
  }

  async close(): Promise<void> {
    await this.#load.close();
  }

  /** Rounds are interleaved, so that a slow minute of the machine hits all settings alike. */
  async #measureAll(rounds: number, roundMs: number): Promise<readonly BenchLine[]> {
    const measured = new Map<Setting, Round[]>(this.#settings().map((setting) => [setting, []]));
    if (measured.size === 0) throw new Error('--only leaves nothing to measure');
    for (let round = 0; round < rounds; round += 1) {
      say(`round ${round + 1} of ${rounds} ...`);
      for (const [setting, all] of measured) {
        all.push(await this.#measureAgain(setting, roundMs));
      }
    }
    return [...measured].map(([setting, all]) => toLine(setting, all));
  }

  #settings(): readonly Setting[] {
    const { only } = this.#options;
    return settings.filter(({ kind, inFlight, connections }) =>
      `${kind} ${inFlight} / ${connections}`.includes(only),
    );
  }

  /** A round in which calls failed is no measurement: it is told, and made once more. */
  async #measureAgain(setting: Setting, roundMs: number): Promise<Round> {
    try {
      return await this.#measure(setting, roundMs);
    } catch (error) {
      say(`${messageOf(error)}; that round is made again`);
      return this.#measure(setting, roundMs);
    }
  }

  async #measure(setting: Setting, roundMs: number): Promise<Round> {
    const cpuBefore = await this.#membersCpuMs();
    const logBefore = await this.#logCounters();
    const result = await this.#load.run(await this.#plan(setting, roundMs));
    const cpuAfter = await this.#membersCpuMs();
    const logAfter = await this.#logCounters();
    const syncs = (logAfter?.syncs ?? 0) - (logBefore?.syncs ?? 0);
    const entries = (logAfter?.entries ?? 0) - (logBefore?.entries ?? 0);
    return {
      result,
      membersCpuMs:
        cpuAfter === undefined || cpuBefore === undefined ? undefined : cpuAfter - cpuBefore,
      entriesPerSync: syncs > 0 && setting.kind === 'put' ? entries / syncs : undefined,
    };
  }

  async #plan(setting: Setting, durationMs: number): Promise<LoadPlan> {
    return {
      ...setting,
      by: this.#options.by,
      endpoints: await this.#targets(),
      keys: this.#options.keys,
      valueBytes,
      durationMs,
      requests: undefined,
    };
  }

  /** Asked each time: a busy machine may have changed the leader. */
  async #targets(): Promise<readonly string[]> {
    if (this.#cluster === undefined || this.#options.target === 'all') return this.#endpoints;
    return (await leaderFirst(this.#endpoints)).slice(0, 1);
  }

  /** Every key once. */
  async #fill(): Promise<void> {
    await this.#load.run({
      kind: 'put',
      by: this.#options.by,
      endpoints: await this.#targets(),
      connections: 1,
      inFlight: 128,
      keys: this.#options.keys,
      valueBytes,
      durationMs: undefined,
      requests: this.#options.keys,
    });
  }

  async #memory(): Promise<BenchReport['memory']> {
    if (this.#cluster === undefined) return undefined;
    const residentMiB = await Promise.all(this.#pids().map(residentMiBOf));
    return { keys: this.#options.keys, residentMiB };
  }

  async #membersCpuMs(): Promise<number | undefined> {
    if (this.#cluster === undefined) return undefined;
    const all = await Promise.all(this.#pids().map(cpuMsOf));
    return all.reduce((sum, one) => sum + one, 0);
  }

  #pids(): readonly number[] {
    return this.#cluster?.members.map((member) => member.process.pid as number) ?? [];
  }

  async #logCounters(): Promise<{ syncs: number; entries: number } | undefined> {
    const metrics = await fetchMetrics((await this.#targets())[0] as string);
    const syncs = metrics?.get(counterNames.syncs);
    const entries = metrics?.get(counterNames.entries);
    return syncs === undefined || entries === undefined ? undefined : { syncs, entries };
  }
}

function toLine(setting: Setting, rounds: readonly Round[]): BenchLine {
  const of = (pick: (round: Round) => number | undefined): number | undefined =>
    median(rounds.map(pick).filter((value): value is number => value !== undefined));
  const sure = (pick: (round: Round) => number): number => of(pick) ?? 0;
  return {
    ...setting,
    perSecond: sure(({ result }) => (result.completed * 1_000) / result.elapsedMs),
    p50Ms: sure(({ result }) => result.p50Ms),
    p99Ms: sure(({ result }) => result.p99Ms),
    membersCpuMicros: of(({ membersCpuMs, result }) =>
      membersCpuMs === undefined ? undefined : (membersCpuMs * 1_000) / result.completed,
    ),
    entriesPerSync: of(({ entriesPerSync }) => entriesPerSync),
    generatorCpuShare: sure(({ result }) => result.cpuShare),
    generatorCpuMicros: sure(({ result }) => result.cpuMicrosPerRequest),
  };
}

function median(values: readonly number[]): number | undefined {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)];
}

function readOptions(): Options {
  const { values } = parseArgs({
    options: {
      members: { type: 'string', default: '3' },
      endpoints: { type: 'string' },
      target: { type: 'string', default: 'leader' },
      by: { type: 'string', default: 'http' },
      only: { type: 'string', default: '' },
      rounds: { type: 'string', default: '3' },
      seconds: { type: 'string', default: '5' },
      warmup: { type: 'string', default: '5' },
      keys: { type: 'string', default: '100000' },
      profile: { type: 'string' },
      out: { type: 'string', default: '.holdfast/bench' },
    },
  });
  const { by, only } = values;
  if (!isProtocol(by)) throw new Error(`--by is one of ${protocols.join(', ')}`);
  return {
    ...{ by, only },
    members: Number(values.members),
    endpoints: values.endpoints?.split(','),
    target: values.target,
    rounds: Number(values.rounds),
    roundMs: Number(values.seconds) * 1_000,
    warmupMs: Number(values.warmup) * 1_000,
    keys: Number(values.keys),
    profile: values.profile,
    out: values.out,
  };
}

const protocols: readonly LoadProtocol[] = ['http', 'frames', 'grpc', 'sdk', 'sdk-http'];
const isProtocol = (text: string): text is LoadProtocol =>
  (protocols as readonly string[]).includes(text);

/** The leader's endpoint first; as given where the members do not tell. */
async function leaderFirst(endpoints: readonly string[]): Promise<readonly string[]> {
  const roles = await Promise.all(
    endpoints.map(async (endpoint) => {
      const answer = await fetch(`http://${endpoint}/v1/cluster`);
      const status = (await answer.json()) as { role?: string };
      return { endpoint, isLeader: status.role === 'leader' };
    }),
  );
  return roles
    .sort((a, b) => Number(b.isLeader) - Number(a.isLeader))
    .map(({ endpoint }) => endpoint);
}

async function main(): Promise<void> {
  const options = readOptions();
  const disk = await measureDisk();
  say(`fdatasync of 4 KiB on this disk: p50 ${disk.p50Ms.toFixed(3)} ms`);
  const { profile } = options;
  const nodeFlags = profile ? ['--cpu-prof', `--cpu-prof-dir=${resolve(profile)}`] : [];
  const cluster = options.endpoints
    ? undefined
    : await BenchCluster.start(options.members, nodeFlags);
  try {
    const endpoints = cluster?.endpoints ?? options.endpoints ?? [];
    const bench = new Bench(options, cluster, endpoints);
    try {
      const report = await bench.run(disk);
      await writeFile(`${options.out}.json`, `${JSON.stringify(report, undefined, 2)}\n`);
      await writeFile(`${options.out}.md`, toMarkdown(report));
      process.stdout.write(`\n${toMarkdown(report)}`);
    } finally {
      await bench.close();
    }
  } finally {
    await cluster?.close();
  }
}

const say = (text: string): void => void process.stderr.write(`${text}\n`);

try {
  await main();
} catch (error) {
  say(`bench: ${messageOf(error)}\n\n${usage}`);
  process.exitCode = 1;
}
