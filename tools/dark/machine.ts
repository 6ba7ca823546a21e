// One machine of the rig: a network namespace with one card, in which processes run as anywhere.
import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process';
import { once } from 'node:events';
import { Agent, agentScript } from './agent.ts';
import type { MachinePlan } from './plan.ts';

export class Machine {
  readonly plan: MachinePlan;
  readonly #children = new Set<ChildProcess>();
  #agent: Agent | undefined;

  constructor(plan: MachinePlan) {
    this.plan = plan;
  }

  get address(): string {
    return this.plan.address;
  }

  /** The child is the command itself: `ip netns exec` becomes it. */
  spawn(command: string, args: readonly string[], options: SpawnOptions = {}): ChildProcess {
    const inside = ['netns', 'exec', this.plan.namespace, command, ...args];
    const child = spawn('ip', inside, options);
    this.#children.add(child);
    const forget = () => this.#children.delete(child);
    child.on('error', forget);
    child.on('exit', forget);
    return child;
  }

  /** Makes calls from inside this machine; it is started when it is first asked for. */
  get agent(): Agent {
    this.#agent ??= new Agent(
      this.spawn(process.execPath, [agentScript], { stdio: ['pipe', 'pipe', 'inherit'] }),
    );
    return this.#agent;
  }

  /** Ends what was spawned here, frozen or not. */
  async close(): Promise<void> {
    await Promise.all(
      [...this.#children].map(async (child) => {
        const exited = once(child, 'exit');
        child.kill('SIGKILL');
        await exited;
      }),
    );
  }
}
