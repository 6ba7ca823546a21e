// The agent in a machine, as the rig sees it: asks it to make calls there, and hears what came of
// them. An agent that ends fails whatever still waits for it.
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import type { Attempt, Call, Order, Outcome, Pace, Report } from './protocol.ts';

export const agentScript = new URL('./agent.mjs', import.meta.url).pathname;

/** Spread over unions, so that each order keeps its own fields. */
type Numberless<T> = T extends unknown ? Omit<T, 'id'> : never;

type Waiting = {
  readonly resolve: (report: Report) => void;
  readonly reject: (error: Error) => void;
};

export class Agent {
  readonly #child: ChildProcess;
  readonly #waiting = new Map<number, Waiting>();
  #orders = 0;

  /** The process runs `agentScript`, with pipes for its input and output. */
  constructor(child: ChildProcess) {
    this.#child = child;
    if (!child.stdin || !child.stdout) throw new Error('an agent is spoken to over pipes');
    child.stdin.on('error', () => undefined); // Its end is told below.
    createInterface({ input: child.stdout }).on('line', (line) => this.#hear(line));
    child.on('error', (error) => this.#failAll(error));
    child.on('exit', () => this.#failAll(new Error('the agent has ended')));
  }

  async ask(call: Call): Promise<Outcome> {
    const report = await this.#order({ order: 'ask', call });
    if (!('outcome' in report)) throw new Error('the agent answered something else');
    return report.outcome;
  }

  async start(pace: Pace): Promise<PaceHandle> {
    const { id } = await this.#order({ order: 'start', pace });
    const attemptsOf = async (order: 'attempts' | 'stop'): Promise<readonly Attempt[]> => {
      const report = await this.#order({ order, pace: id });
      if (!('attempts' in report)) throw new Error('the agent answered something else');
      return report.attempts;
    };
    return { attempts: () => attemptsOf('attempts'), stop: () => attemptsOf('stop') };
  }

  async close(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const exited = once(this.#child, 'exit');
    this.#child.stdin?.end();
    await exited;
  }

  #order(order: Numberless<Order>): Promise<Report> {
    this.#orders += 1;
    const id = this.#orders;
    return new Promise((resolve, reject) => {
      if (this.#child.exitCode !== null) {
        reject(new Error('the agent has ended'));
        return;
      }
      this.#waiting.set(id, { resolve, reject });
      this.#child.stdin?.write(`${JSON.stringify({ ...order, id })}\n`);
    });
  }

  #hear(line: string): void {
    const report = JSON.parse(line) as Report;
    const waiting = this.#waiting.get(report.id);
    this.#waiting.delete(report.id);
    if ('error' in report) waiting?.reject(new Error(report.error));
    else waiting?.resolve(report);
  }

  #failAll(error: Error): void {
    for (const waiting of this.#waiting.values()) waiting.reject(error);
    this.#waiting.clear();
  }
}

export type PaceHandle = {
  /** Answered so far. */
  readonly attempts: () => Promise<readonly Attempt[]>;
  /** All of them, when the last one has been answered. */
  readonly stop: () => Promise<readonly Attempt[]>;
};
