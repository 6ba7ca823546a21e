// `npm run bench:watch`: 1,000 watchers of one key on one member, those that read and those that
// never do, while the key is written as fast as one writer can. Prints how long the member's event
// loop was held (safety.md 11) and when the last watcher was told.
import { connect, type Socket } from 'node:net';
import { parseArgs } from 'node:util';

import { sleep } from '@holdfast/base/clock';
import { SystemClock } from '@holdfast/base/system-clock';
import { BenchCluster } from './bench-cluster.ts';
import { fetchMetrics } from './metrics.ts';

const clock = new SystemClock();
const path = '/v1/kv/watched';
const toldWithinMs = 60_000;

class Watcher {
  readonly #socket: Socket;
  /** The highest id seen so far. */
  #seen = 0;
  #rest = '';

  constructor(endpoint: string, reads: boolean) {
    const [host, port] = endpoint.split(':') as [string, string];
    this.#socket = connect({ host, port: Number(port) });
    this.#socket.setEncoding('latin1');
    this.#socket.on('error', () => undefined); // Shows as a watcher that is never told.
    this.#socket.write(`GET /v1/kv-watch?key=watched HTTP/1.1\r\nHost: ${endpoint}\r\n\r\n`);
    if (reads) this.#socket.on('data', (text: string) => this.#take(text));
    else this.#socket.pause();
  }

  get seen(): number {
    return this.#seen;
  }

  close(): void {
    this.#socket.destroy();
  }

  #take(text: string): void {
    const lines = (this.#rest + text).split('\n');
    this.#rest = (lines.pop() ?? '').slice(0, 64);
    for (const line of lines) if (line.startsWith('id: ')) this.#seen = Number(line.slice(4));
  }
}

type Plan = {
  readonly watchers: number;
  readonly reads: boolean;
  readonly valueBytes: number;
  readonly seconds: number;
};

async function measure(plan: Plan): Promise<string> {
  const cluster = await BenchCluster.start(1);
  const watchers: Watcher[] = [];
  try {
    const endpoint = cluster.endpoints[0] as string;
    for (let at = 0; at < plan.watchers; at += 1) {
      watchers.push(new Watcher(endpoint, plan.reads));
      if (at % 50 === 49) await sleep(clock, 50);
    }
    await sleep(clock, 1000);
    await fetchMetrics(endpoint); // Its reading begins the member's measurement anew.
    const { writes, revision, lastAtMs } = await write(endpoint, plan);
    const toldMs = plan.reads ? (await untilTold(watchers, revision)) - lastAtMs : undefined;
    const metrics = await fetchMetrics(endpoint);
    return tell(plan, { writes, toldMs, heldMs: loopHeldMs(metrics) });
  } finally {
    for (const watcher of watchers) watcher.close();
    await cluster.close();
  }
}

async function write(endpoint: string, { valueBytes, seconds }: Plan) {
  const body = new Uint8Array(valueBytes).fill(120);
  const endMs = clock.monotonicMs() + seconds * 1000;
  let [writes, revision] = [0, 0];
  while (clock.monotonicMs() < endMs) {
    const answer = await fetch(`http://${endpoint}${path}`, { method: 'PUT', body });
    revision = ((await answer.json()) as { readonly revision: number }).revision;
    writes += 1;
  }
  return { writes, revision, lastAtMs: clock.monotonicMs() };
}

async function untilTold(watchers: readonly Watcher[], revision: number): Promise<number> {
  const giveUpMs = clock.monotonicMs() + toldWithinMs;
  while (!watchers.every((watcher) => watcher.seen >= revision)) {
    if (clock.monotonicMs() > giveUpMs) throw new Error('a watcher was never told');
    await sleep(clock, 5);
  }
  return clock.monotonicMs();
}

const loopHeldMs = (metrics: ReadonlyMap<string, number> | undefined): number =>
  (metrics?.get('nodejs_eventloop_lag_max_seconds') ?? Number.NaN) * 1000;

type Figures = {
  readonly writes: number;
  readonly toldMs: number | undefined;
  readonly heldMs: number;
};

function tell(plan: Plan, { writes, toldMs, heldMs }: Figures): string {
  const who = `${plan.watchers} watchers that ${plan.reads ? 'read' : 'never read'}`;
  const last = toldMs === undefined ? '' : `; the last one told ${toldMs.toFixed(0)} ms after it`;
  return (
    `${who}, values of ${plan.valueBytes} bytes: ${writes} writes in ${plan.seconds} s, ` +
    `the loop held ${heldMs.toFixed(0)} ms at most${last}`
  );
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      watchers: { type: 'string', default: '1000' },
      bytes: { type: 'string', default: '2048' },
      seconds: { type: 'string', default: '5' },
    },
  });
  const plan = {
    watchers: Number(values.watchers),
    valueBytes: Number(values.bytes),
    seconds: Number(values.seconds),
  };
  for (const reads of [false, true]) {
    process.stdout.write(`${await measure({ ...plan, reads })}\n`);
  }
}

await main();
