// The cluster whose members are killed, frozen and started again, one by one: real processes on
// loopback, with their data on this disk.
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';

import { sleep } from '@holdfast/base/clock';
import { SystemClock } from '@holdfast/base/system-clock';

import { benchDirectory, freePorts, startMember } from './bench-cluster.ts';
import { cpuMsOf } from './system-figures.ts';

const clock = new SystemClock();
const pollMs = 5;
const giveUpMs = 300_000;

export type Plan = { readonly name: string; readonly client: string; readonly peer: string };

/** What `/v1/cluster` says, as far as it is needed here. */
export type MemberStatus = {
  readonly role: string;
  readonly commitIndex: number;
  readonly appliedIndex: number;
  readonly snapshotIndex: number;
  readonly revision: number;
  readonly memberId: string;
  readonly members: readonly { readonly id: string }[];
};

export class RecoveryCluster {
  readonly directory: string;
  readonly plans: readonly Plan[];
  readonly #initial: string;
  readonly #processes = new Map<string, ChildProcess>();
  #isWorthALook = false;

  private constructor(directory: string, plans: readonly Plan[]) {
    this.directory = directory;
    this.plans = plans;
    this.#initial = plans.map((plan) => `${plan.name}=${plan.peer}`).join(',');
  }

  /** Three members, none of them started. */
  static async create(): Promise<RecoveryCluster> {
    const ports = await freePorts(6);
    const plans = [0, 1, 2].map((at) => ({
      name: `n${at + 1}`,
      client: `127.0.0.1:${ports[at * 2]}`,
      peer: `127.0.0.1:${ports[at * 2 + 1]}`,
    }));
    return new RecoveryCluster(await benchDirectory(), plans);
  }

  dataOf(plan: Plan): string {
    return join(this.directory, plan.name);
  }

  start(plan: Plan): void {
    const log = join(this.directory, `${plan.name}.log`);
    this.#processes.set(
      plan.name,
      startMember(plan, { initial: this.#initial, directory: this.directory, log }),
    );
  }

  /** Processor time of the member's process so far, in milliseconds. */
  cpuMs(plan: Plan): Promise<number> {
    return cpuMsOf(this.#processes.get(plan.name)?.pid as number);
  }

  /** Ends the process at once, or after it has closed in order. */
  async stop(plan: Plan, signal: 'SIGKILL' | 'SIGTERM' = 'SIGKILL'): Promise<void> {
    const child = this.#processes.get(plan.name);
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, 'exit');
    child.kill('SIGCONT'); // A frozen process takes no other signal but SIGKILL.
    child.kill(signal);
    await exited;
  }

  freeze(plan: Plan): void {
    this.#processes.get(plan.name)?.kill('SIGSTOP');
  }

  wake(plan: Plan): void {
    this.#processes.get(plan.name)?.kill('SIGCONT');
  }

  /** The leader, as one of the members says that it is; waits for one. */
  async leader(): Promise<Plan> {
    return this.until('there is a leader', async () => {
      for (const plan of this.plans) {
        if ((await statusOf(plan))?.role === 'leader') return plan;
      }
      return undefined;
    });
  }

  async untilReady(plan: Plan): Promise<void> {
    await this.until(`${plan.name} is ready`, async () => (await isReady(plan)) || undefined);
  }

  async untilAllReady(): Promise<void> {
    for (const plan of this.plans) await this.untilReady(plan);
  }

  /** Asks every few milliseconds until there is an answer. Rejects after five minutes. */
  async until<T>(
    what: string,
    ask: () => Promise<T | undefined>,
    everyMs: number = pollMs,
  ): Promise<T> {
    const endMs = clock.monotonicMs() + giveUpMs;
    while (clock.monotonicMs() < endMs) {
      const answer = await ask();
      if (answer !== undefined) return answer;
      await sleep(clock, everyMs);
    }
    this.#isWorthALook = true;
    throw new Error(`in vain: waited ${giveUpMs / 1000} s until ${what} (see ${this.directory})`);
  }

  /** Ends the members; their data and logs stay only if something was waited for in vain. */
  async close(): Promise<void> {
    for (const plan of this.plans) await this.stop(plan);
    if (!this.#isWorthALook) await rm(this.directory, { recursive: true, force: true });
  }
}

async function isReady(plan: Plan): Promise<boolean> {
  try {
    return (await fetch(`http://${plan.client}/readyz`)).ok;
  } catch {
    return false; // Not listening yet.
  }
}

/** Undefined while the member does not answer. */
export async function statusOf(plan: Plan): Promise<MemberStatus | undefined> {
  try {
    const signal = AbortSignal.timeout(250);
    const answer = await fetch(`http://${plan.client}/v1/cluster`, { signal });
    return answer.ok ? ((await answer.json()) as MemberStatus) : undefined;
  } catch {
    return undefined; // Down or frozen.
  }
}

export type Phases = ReadonlyMap<string, number>;

/** Milliseconds of each phase of the member's start. */
export async function phasesOf(plan: Plan): Promise<Phases> {
  const answer = await fetch(`http://${plan.client}/v1/recovery`);
  const { phases } = (await answer.json()) as {
    phases: readonly { name: string; durationMs: number | null }[];
  };
  return new Map(phases.map(({ name, durationMs }) => [name, durationMs ?? 0]));
}

/** Puts one key; the revision, or undefined if it was not acknowledged in a quarter second. */
export async function put(plan: Plan, key: string): Promise<number | undefined> {
  try {
    const answer = await fetch(`http://${plan.client}/v1/kv/${key}`, {
      method: 'PUT',
      body: 'v'.repeat(256),
      signal: AbortSignal.timeout(250),
    });
    if (!answer.ok) return undefined;
    return Number(answer.headers.get('x-holdfast-revision'));
  } catch {
    return undefined; // No leader at this moment, or the member is down.
  }
}
