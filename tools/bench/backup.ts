// `npm run bench:backup`: what a backup of a large store costs the writes beside it, and how fast
// it is. Three members as processes, a million keys, writes at a steady pace; in each round some
// seconds without and then with a backup by the command itself, at the end a restore and a look at
// both hashes. Prints a table; asserts nothing.
import { type ChildProcess, fork, spawn } from 'node:child_process';
import { once } from 'node:events';
import { rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';

import { sleep } from '@holdfast/base/clock';
import { messageOf } from '@holdfast/base/errors';
import { SystemClock } from '@holdfast/base/system-clock';

import { BenchCluster, holdfastCommand } from './bench-cluster.ts';
import { fetchMetrics } from './metrics.ts';
import type { PacedPlan, PacedResult } from './paced-load.ts';

const usage = `npm run bench:backup -- [options]
  --keys N           in the store (default 1000000)
  --value-bytes N    of each (default 400)
  --writes N         a second, beside it (default 5000)
  --rounds N         of which the medians are shown (default 3)
  --from WHO         follower or leader (default follower)
  --by HOW           the writes come by frames or by http (default frames)
`;

const clock = new SystemClock();
const [quietMs, restMs] = [5000, 2000];
/** A request of HTTP waits for the one before it on its connection; frames do not. */
const connectionsBy = { http: 32, frames: 1 } as const;

type Options = {
  readonly keys: number;
  readonly valueBytes: number;
  readonly writes: number;
  readonly rounds: number;
  readonly from: string;
  readonly by: PacedPlan['by'];
};

type Round = {
  readonly quietP50: number;
  readonly quietP99: number;
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
  readonly perSecond: number;
  readonly failures: number;
  readonly megabytes: number;
  readonly megabytesPerSecond: number;
  /** With a backup, times without. */
  readonly ratio: number;
  /** From the start of the command to its end. */
  readonly seconds: number;
  /** The longest that the event loop of the member that sends it was held. */
  readonly loopMs: number;
};

type Playing = {
  readonly file: string;
  readonly leader: string;
  readonly from: string;
  readonly options: Options;
};

async function measure(options: Options): Promise<void> {
  const cluster = await BenchCluster.start(3);
  try {
    const { leader, follower } = await rolesOf(cluster);
    await fill(leader, options);
    const { keys, valueBytes, by } = options;
    print(`${keys} keys of ${valueBytes} bytes, writes by ${by}, backup from a ${options.from}\n`);
    const from = options.from === 'leader' ? leader : follower;
    const file = join(cluster.directory, 'bench.backup');
    const rounds: Round[] = [];
    for (let round = 1; round <= options.rounds; round += 1) {
      const played = await playRound({ file, leader, from, options });
      rounds.push(played);
      print(lineOf(`round ${round}`, played));
    }
    print(lineOf('median', medianOf(rounds)));
    await compare(file, join(cluster.directory, 'restored'));
  } finally {
    await cluster.close();
  }
}

async function playRound({ file, leader, from, options }: Playing): Promise<Round> {
  const { keys, valueBytes, by, writes: perSecond } = options;
  const connections = connectionsBy[by];
  const plan: PacedPlan = { by, endpoint: leader, perSecond, connections, keys, valueBytes };
  const quiet = await loadWhile(plan, () => sleep(clock, quietMs));
  await sleep(clock, restMs);
  await rm(file, { force: true });
  await fetchMetrics(from); // Its reading begins the member's measurement anew.
  let seconds = 0;
  const beside = await loadWhile(plan, async () => {
    const beganMs = performance.now();
    await holdfast(['backup', file, '--endpoints', from]);
    seconds = (performance.now() - beganMs) / 1000;
  });
  const metrics = await fetchMetrics(from);
  await sleep(clock, restMs);
  const megabytes = (await stat(file)).size / 1e6;
  return {
    quietP50: quiet.p50Ms,
    quietP99: quiet.p99Ms,
    p50: beside.p50Ms,
    p99: beside.p99Ms,
    max: beside.maxMs,
    perSecond: beside.writes / beside.seconds,
    failures: quiet.failures + beside.failures,
    megabytes,
    megabytesPerSecond: megabytes / seconds,
    ratio: beside.p99Ms / quiet.p99Ms,
    seconds,
    loopMs: (metrics?.get('nodejs_eventloop_lag_max_seconds') ?? Number.NaN) * 1000,
  };
}

/** Writes for as long as the work takes, and no longer. */
async function loadWhile(plan: PacedPlan, work: () => Promise<void>): Promise<PacedResult> {
  const child = fork(new URL('./paced-load.ts', import.meta.url));
  try {
    child.send(plan);
    await answerOf(child);
    await work();
    child.send('stop');
    const { result } = await answerOf(child);
    if (!result) throw new Error('the load has no result');
    return result;
  } finally {
    child.disconnect();
  }
}

type Answer = { readonly result?: PacedResult; readonly error?: string };

async function answerOf(child: ChildProcess): Promise<Answer> {
  const [answer] = (await once(child, 'message')) as [Answer];
  if (answer.error !== undefined) throw new Error(answer.error);
  return answer;
}

/** Hundreds of keys a transaction, a few at a time. */
async function fill(endpoint: string, { keys, valueBytes }: Options): Promise<void> {
  const perTxn = 100;
  let next = 0;
  const lane = async (): Promise<void> => {
    while (next < keys) {
      const from = next;
      next += perTxn;
      const success = Array.from({ length: Math.min(perTxn, keys - from) }, (_, at) => {
        const key = `bench-${String(from + at).padStart(8, '0')}`;
        return { put: { key, value: `${key} `.padEnd(valueBytes, 'v') } };
      });
      const answer = await fetch(`http://${endpoint}/v1/txn`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ success }),
      });
      if (!answer.ok) throw new Error(await answer.text());
      await answer.arrayBuffer();
    }
  };
  await Promise.all(Array.from({ length: 8 }, lane));
}

type View = {
  readonly members: readonly {
    readonly role: string;
    readonly clientAddresses: readonly string[];
  }[];
};

async function rolesOf(cluster: BenchCluster) {
  const view = (await (await fetch(`http://${cluster.endpoints[0]}/v1/cluster`)).json()) as View;
  const at = (role: string): string =>
    view.members.find((one) => one.role === role)?.clientAddresses[0] ?? '';
  return { leader: at('leader'), follower: at('follower') };
}

async function holdfast(args: readonly string[]): Promise<string> {
  const child = spawn(process.execPath, [holdfastCommand, ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let out = '';
  child.stdout.on('data', (part) => {
    out += part;
  });
  const [code] = (await once(child, 'close')) as [number];
  if (code !== 0) throw new Error(`holdfast ${args[0]} ended with ${code}`);
  return out;
}

/** The state that a member would start with has the hash that the backup says. */
async function compare(file: string, directory: string): Promise<void> {
  const json = ['--output', 'json'];
  const beganMs = performance.now();
  const restored = JSON.parse(
    await holdfast(['restore', file, '--data-dir', directory, ...json]),
  ) as { readonly backup: { readonly stateHash: string; readonly revision: number } };
  const seconds = ((performance.now() - beganMs) / 1000).toFixed(1);
  const { state } = JSON.parse(await holdfast(['verify', directory, '--deep', ...json])) as {
    readonly state: {
      readonly stateHash: string;
      readonly revision: number;
      readonly keys: number;
    };
  };
  const { stateHash, revision } = restored.backup;
  const isSame = stateHash === state.stateHash && revision === state.revision;
  const verdict = isSame ? 'the same as in the backup' : `NOT the backup's ${stateHash}`;
  print(
    `\nrestored in ${seconds} s: ${state.keys} keys at revision ${state.revision}, hash ` +
      `${state.stateHash}, ${verdict}`,
  );
}

/** Each column by itself: the ratios of medians are no medians. */
function medianOf(rounds: readonly Round[]): Round {
  const names = Object.keys(rounds[0] as Round) as (keyof Round)[];
  const middle = (name: keyof Round): number =>
    rounds.map((round) => round[name]).sort((a, b) => a - b)[Math.floor(rounds.length / 2)] ?? 0;
  return Object.fromEntries(names.map((name) => [name, middle(name)])) as Round;
}

function lineOf(name: string, round: Round): string {
  const { quietP50, quietP99, p50, p99, max, megabytes, seconds, loopMs } = round;
  const { megabytesPerSecond, ratio } = round;
  return (
    `${name.padEnd(8)} ${megabytes.toFixed(0)} MB in ${seconds.toFixed(2)} s = ` +
    `${megabytesPerSecond.toFixed(0)} MB/s; writes ${round.perSecond.toFixed(0)}/s: p50 ` +
    `${quietP50.toFixed(1)} -> ${p50.toFixed(1)} ms, p99 ${quietP99.toFixed(1)} -> ` +
    `${p99.toFixed(1)} ms (${ratio.toFixed(1)} x), max ${max.toFixed(0)} ms; ` +
    `${round.failures} failed; loop held ${loopMs.toFixed(0)} ms`
  );
}

const print = (text: string): void => void process.stdout.write(`${text}\n`);

function readOptions(): Options {
  const { values } = parseArgs({
    options: {
      keys: { type: 'string', default: '1000000' },
      'value-bytes': { type: 'string', default: '400' },
      writes: { type: 'string', default: '5000' },
      rounds: { type: 'string', default: '3' },
      from: { type: 'string', default: 'follower' },
      by: { type: 'string', default: 'frames' },
    },
  });
  const { keys, writes, rounds, from } = values;
  if (values.by !== 'http' && values.by !== 'frames') throw new Error('--by is frames or http');
  return {
    ...{ keys: Number(keys), writes: Number(writes), rounds: Number(rounds) },
    ...{ valueBytes: Number(values['value-bytes']), from, by: values.by },
  };
}

try {
  await measure(readOptions());
} catch (error) {
  process.stderr.write(`${messageOf(error)}\n${usage}`);
  process.exitCode = 1;
}
