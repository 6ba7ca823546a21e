// A cluster of separate processes on loopback: plans their ports and folders, starts them, waits
// until each serves, tells what happens to them, and ends them. It restarts none: whoever ended a
// member wants to see what the others do.
import { join, resolve } from 'node:path';

import { type Clock, sleep } from '@holdfast/base/clock';
import { type ErrorCode, HoldfastError } from '@holdfast/base/errors';
import { errorTable } from '@holdfast/server/errors';

import { type MemberExit, type MemberPlan, MemberProcess } from './member-process.ts';

export type DevClusterOptions = {
  readonly nodes: number;
  readonly dataDir: string;
  readonly basePort: number;
  /** How this very command is started again: node's own flags and the script. */
  readonly selfArgs: readonly string[];
  readonly readyWithinMs: number;
};

export type DevClusterPorts = {
  readonly clock: Clock;
  /** Whether the member at this address serves; never rejects. */
  readonly isReady: (address: string) => Promise<boolean>;
  readonly onExit: (plan: MemberPlan, exit: MemberExit) => void;
};

/** Member i's client port is 4653 + 10 (i - 1), its peer port the next one (house.md section 7). */
export function planMembers(
  options: Pick<DevClusterOptions, 'nodes' | 'dataDir' | 'basePort'>,
): readonly MemberPlan[] {
  return Array.from({ length: options.nodes }, (_, at) => {
    const name = `n${at + 1}`;
    const port = options.basePort + 10 * at;
    return {
      name,
      dataDir: resolve(join(options.dataDir, name)),
      logPath: resolve(join(options.dataDir, `${name}.log`)),
      client: `127.0.0.1:${port}`,
      peer: `127.0.0.1:${port + 1}`,
    };
  });
}

/** What `holdfast` is told to become that member. */
export function startArguments(plan: MemberPlan, all: readonly MemberPlan[]): readonly string[] {
  const cluster = all.map((one) => `${one.name}=${one.peer}`).join(',');
  return [
    'start',
    ...['--name', plan.name, '--data-dir', plan.dataDir],
    ...['--listen-client', plan.client, '--listen-peer', plan.peer],
    ...['--initial-cluster', cluster],
  ];
}

export class DevCluster {
  readonly plans: readonly MemberPlan[];
  readonly #options: DevClusterOptions;
  readonly #ports: DevClusterPorts;
  readonly #members: MemberProcess[] = [];
  readonly #removed: MemberPlan[] = [];
  #isStopping = false;

  constructor(options: DevClusterOptions, ports: DevClusterPorts) {
    this.#options = options;
    this.#ports = ports;
    this.plans = planMembers(options);
  }

  get members(): readonly MemberProcess[] {
    return this.#members;
  }

  /** Those that found themselves removed from their cluster at their start. */
  get removed(): readonly MemberPlan[] {
    return this.#removed;
  }

  /**
   * Starts all members; rejects when one ends, or does not serve in time, with its last words. One
   * that was removed from the cluster ends, and the others go on, if there are any.
   */
  async start(signal: AbortSignal): Promise<void> {
    for (const plan of this.plans) {
      const args = [
        ...this.#options.selfArgs,
        ...startArguments(plan, this.plans),
        '--end-with-parent',
      ];
      const member = new MemberProcess(plan, args, this.#ports.clock);
      this.#members.push(member);
      void member.exited.then((exit) => this.#ended(plan, exit));
    }
    await Promise.all(this.#members.map((member) => this.#untilReady(member, signal)));
    const [first] = this.#members;
    if (first && this.#removed.length === this.#members.length) {
      throw await failedToStart(first, 'ended at its start');
    }
  }

  /** Resolves when no member is left. */
  async ended(): Promise<void> {
    await Promise.all(this.#members.map((member) => member.exited));
  }

  /** Members end together: the last ones need no quorum to close. */
  async stop(): Promise<void> {
    this.#isStopping = true;
    await Promise.all(this.#members.map((member) => member.stop()));
  }

  #ended(plan: MemberPlan, exit: MemberExit): void {
    if (!this.#isStopping) this.#ports.onExit(plan, exit);
  }

  async #untilReady(member: MemberProcess, signal: AbortSignal): Promise<void> {
    const { clock, isReady } = this.#ports;
    const giveUpMs = clock.monotonicMs() + this.#options.readyWithinMs;
    while (!(await isReady(member.plan.client))) {
      signal.throwIfAborted();
      if (member.exit !== undefined) return this.#endedAtStart(member);
      if (clock.monotonicMs() > giveUpMs) throw await failedToStart(member, 'is not ready in time');
      await sleep(clock, 100, signal);
    }
  }

  async #endedAtStart(member: MemberProcess): Promise<void> {
    const fault = await member.lastFault();
    if (fault?.code !== 'removed') throw await failedToStart(member, 'ended at its start');
    this.#removed.push(member.plan);
  }
}

/** In its own words, where it has said why; else with the last ones of its log. */
async function failedToStart(member: MemberProcess, what: string): Promise<HoldfastError> {
  const { name, logPath } = member.plan;
  const details = { log: logPath, hint: `its log is ${logPath}` };
  const fault = await member.lastFault();
  if (fault && isErrorCode(fault.code)) {
    return new HoldfastError(fault.code, `member ${name} ${what}: ${fault.message}`, { details });
  }
  const words = await member.lastLines(8);
  const said = words === '' ? '' : `; its log ends with:\n${words}\n`;
  return new HoldfastError('unavailable', `member ${name} ${what}${said}`, { details });
}

const isErrorCode = (code: string): code is ErrorCode => Object.hasOwn(errorTable, code);
