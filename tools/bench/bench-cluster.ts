// The cluster under test: separate processes with their data in a fresh folder of this disk.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

import { sleep } from '@holdfast/base/clock';
import { SystemClock } from '@holdfast/base/system-clock';

export const holdfastCommand = fileURLToPath(
  new URL('../../packages/cli/bin/holdfast.js', import.meta.url),
);
/** With which the command runs when it is run by its name (the first line of it). */
export const holdfastFlags = readFileSync(holdfastCommand, 'utf8')
  .split('\n', 1)
  .flatMap((line) => line.split(' ').filter((word) => word.startsWith('--')));
const clock = new SystemClock();
const readyWithinMs = 30_000;
const endWithinMs = 15_000;

export type BenchMember = {
  readonly name: string;
  readonly client: string;
  readonly peer: string;
  readonly process: ChildProcess;
  readonly log: string;
};

export class BenchCluster {
  readonly directory: string;
  readonly members: readonly BenchMember[];

  private constructor(directory: string, members: readonly BenchMember[]) {
    this.directory = directory;
    this.members = members;
  }

  static async start(count: number, nodeFlags: readonly string[] = []): Promise<BenchCluster> {
    const directory = await benchDirectory();
    const ports = await freePorts(count * 2);
    const plans = Array.from({ length: count }, (_, at) => ({
      name: `n${at + 1}`,
      client: `127.0.0.1:${ports[at * 2]}`,
      peer: `127.0.0.1:${ports[at * 2 + 1]}`,
    }));
    const initial = plans.map((plan) => `${plan.name}=${plan.peer}`).join(',');
    const members = plans.map((plan) => {
      const log = join(directory, `${plan.name}.log`);
      return { ...plan, log, process: startMember(plan, { initial, directory, log, nodeFlags }) };
    });
    const cluster = new BenchCluster(directory, members);
    try {
      await Promise.all(members.map(untilReady));
      return cluster;
    } catch (error) {
      await cluster.close();
      throw error;
    }
  }

  get endpoints(): readonly string[] {
    return this.members.map((member) => member.client);
  }

  async close(): Promise<void> {
    await Promise.all(this.members.map((member) => end(member.process)));
    await rm(this.directory, { recursive: true, force: true });
  }
}

/** On the disk of the checkout, because a temporary folder is often memory. */
export async function benchDirectory(): Promise<string> {
  const parent = resolve('.holdfast');
  await mkdir(parent, { recursive: true });
  return mkdtemp(join(parent, 'bench-'));
}

export function startMember(
  plan: { readonly name: string; readonly client: string; readonly peer: string },
  start: {
    readonly initial: string;
    readonly directory: string;
    /** The file it writes its log to. */
    readonly log: string;
    readonly nodeFlags?: readonly string[];
  },
): ChildProcess {
  const { initial, directory, nodeFlags = [] } = start;
  const log = openSync(start.log, 'a');
  const args = [
    ...holdfastFlags,
    ...nodeFlags,
    ...[holdfastCommand, 'start', '--name', plan.name, '--data-dir', join(directory, plan.name)],
    ...['--listen-client', plan.client, '--listen-peer', plan.peer, '--initial-cluster', initial],
    '--end-with-parent',
  ];
  const child = spawn(process.execPath, args, { stdio: ['pipe', log, log] });
  child.stdin?.on('error', () => undefined); // Breaks when the member has ended.
  closeSync(log);
  return child;
}

async function untilReady(member: BenchMember): Promise<void> {
  const giveUpMs = clock.monotonicMs() + readyWithinMs;
  while (!(await isReady(member.client))) {
    if (member.process.exitCode !== null || clock.monotonicMs() > giveUpMs) {
      const log = await readFile(member.log, 'utf8');
      throw new Error(`member ${member.name} does not serve:\n${log.slice(-2_000)}`);
    }
    await sleep(clock, 100);
  }
}

async function isReady(endpoint: string): Promise<boolean> {
  try {
    return (await fetch(`http://${endpoint}/readyz`)).ok;
  } catch {
    return false; // Not listening yet.
  }
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, 'exit');
  child.kill('SIGTERM');
  const timer = clock.schedule(endWithinMs, () => void child.kill('SIGKILL'));
  await exited;
  timer.cancel();
}

/** All held at once before any is given back, so that no two are the same. */
export async function freePorts(count: number): Promise<readonly number[]> {
  const servers = await Promise.all(
    Array.from({ length: count }, async () => {
      const server = createServer().listen(0, '127.0.0.1');
      await once(server, 'listening');
      return server;
    }),
  );
  const ports = servers.map((server) => (server.address() as { port: number }).port);
  for (const server of servers) {
    server.close();
    await once(server, 'close');
  }
  return ports;
}
