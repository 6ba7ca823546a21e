// Three members of a system as processes with their data in a folder of this disk. They can be
// frozen, so that a system that is not measured takes nothing from the one that is.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';

import { sleep } from '@holdfast/base/clock';
import { SystemClock } from '@holdfast/base/system-clock';

import { freePorts } from '../bench-cluster.ts';
import { cpuMsOf, residentMiBOf } from '../system-figures.ts';
import type { MemberPlan, PeerSystem } from './peer-system.ts';

const clock = new SystemClock();
const readyWithinMs = 120_000;
/** Timers that ran out meanwhile were seen to cost up to a second and no more. */
const restMs = 1000;
const memberCount = 3;
const portsEach = 3;

type Member = { readonly plan: MemberPlan; readonly log: string; process: ChildProcess };

export class PeerCluster {
  readonly system: PeerSystem;
  readonly #directory: string;
  readonly #members: readonly Member[];

  private constructor(system: PeerSystem, directory: string, members: readonly Member[]) {
    this.system = system;
    this.#directory = directory;
    this.#members = members;
  }

  /** With its data in a folder of its own; resolves when all of them serve. */
  static async start(system: PeerSystem, parent: string): Promise<PeerCluster> {
    const directory = await mkdtemp(join(parent, `${system.name}-`));
    const plans = await memberPlans(directory);
    for (const plan of plans) {
      await mkdir(plan.data, { mode: 0o700 });
      await system.prepare(plan, plans);
    }
    const members = plans.map((plan) => {
      const log = join(directory, `${plan.name}.log`);
      return { plan, log, process: startProcess(system, { plan, plans, log }) };
    });
    const cluster = new PeerCluster(system, directory, members);
    running.add(cluster);
    try {
      await cluster.untilReady();
      return cluster;
    } catch (error) {
      await cluster.close();
      throw error;
    }
  }

  get plans(): readonly MemberPlan[] {
    return this.#members.map(({ plan }) => plan);
  }

  /** Until each of them serves and one leads. */
  async untilReady(): Promise<void> {
    const giveUpMs = clock.monotonicMs() + readyWithinMs;
    while (!(await this.#isReady())) {
      const isLate = clock.monotonicMs() > giveUpMs;
      if (isLate || this.#hasEnded) throw new Error(await this.#failure());
      await sleep(clock, 50);
    }
  }

  /** The leader's plan first: asked each time, as a busy machine may have changed it. */
  async leaderFirst(): Promise<readonly MemberPlan[]> {
    const roles = await Promise.all(this.plans.map((plan) => this.system.role(plan)));
    const leader = roles.indexOf('leader');
    if (leader < 0) throw new Error(`${this.system.name} has no leader`);
    return [...this.plans.slice(leader), ...this.plans.slice(0, leader)];
  }

  async compact(): Promise<void> {
    await this.system.compact((await this.leaderFirst())[0] as MemberPlan);
  }

  freeze(): void {
    for (const { process } of this.#members) process.kill('SIGSTOP');
  }

  /** Resolves when they serve again, and have done what fell due while they were frozen. */
  async thaw(): Promise<void> {
    for (const { process } of this.#members) process.kill('SIGCONT');
    await this.untilReady();
    await sleep(clock, restMs);
    await this.untilReady();
  }

  async kill(plan: MemberPlan): Promise<void> {
    await endProcess(this.#memberOf(plan).process);
  }

  /** Of a member that was killed. */
  restart(plan: MemberPlan): void {
    const member = this.#memberOf(plan);
    const { plans } = this;
    member.process = startProcess(this.system, { plan, plans, log: member.log });
  }

  /** Processor time of all members so far. */
  async cpuMs(): Promise<number> {
    const all = await Promise.all(this.#pids.map(cpuMsOf));
    return all.reduce((sum, one) => sum + one, 0);
  }

  async residentMiB(): Promise<readonly number[]> {
    return Promise.all(this.#pids.map(residentMiBOf));
  }

  killAll(): void {
    for (const { process } of this.#members) process.kill('SIGKILL');
  }

  async close(): Promise<void> {
    await Promise.all(this.#members.map(({ process }) => endProcess(process)));
    await rm(this.#directory, { recursive: true, force: true });
    running.delete(this);
  }

  get #hasEnded(): boolean {
    return this.#members.some(({ process: { exitCode } }) => exitCode !== null);
  }

  get #pids(): readonly number[] {
    return this.#members.map(({ process }) => process.pid as number);
  }

  #memberOf(plan: MemberPlan): Member {
    return this.#members.find((member) => member.plan.name === plan.name) as Member;
  }

  async #isReady(): Promise<boolean> {
    const roles = await Promise.all(this.plans.map((plan) => this.system.role(plan)));
    return roles.includes('leader') && !roles.includes(undefined);
  }

  async #failure(): Promise<string> {
    const logs = await Promise.all(this.#members.map(({ log }) => readFile(log, 'utf8')));
    const ends = logs.map((log) => log.slice(-1_000)).join('\n...\n');
    return `${this.system.name} does not serve:\n${ends}`;
  }
}

const running = new Set<PeerCluster>();

/** For whoever ends the bench in the middle: nothing is waited for. */
export function killAll(): void {
  for (const cluster of running) cluster.killAll();
}

async function memberPlans(directory: string): Promise<readonly MemberPlan[]> {
  const ports = await freePorts(memberCount * portsEach);
  return Array.from({ length: memberCount }, (_, at) => {
    const [client, peer, election] = ports
      .slice(at * portsEach)
      .map((port) => `127.0.0.1:${port}`) as [string, string, string];
    const name = `n${at + 1}`;
    return { name, number: at + 1, client, peer, election, data: join(directory, name) };
  });
}

type Start = {
  readonly plan: MemberPlan;
  readonly plans: readonly MemberPlan[];
  readonly log: string;
};

/** The kernel ends it with the bench, also where that is killed while the member is frozen. */
function startProcess(system: PeerSystem, { plan, plans, log }: Start): ChildProcess {
  const { program, args } = system.command(plan, plans);
  const file = openSync(log, 'a');
  const withUs = ['--pdeathsig', 'KILL', '--', program, ...args];
  const child = spawn('setpriv', withUs, { cwd: plan.data, stdio: ['ignore', file, file] });
  closeSync(file);
  return child;
}

async function endProcess(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, 'exit');
  child.kill('SIGKILL');
  await exited;
}
