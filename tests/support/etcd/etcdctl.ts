// Stock etcdctl, run to its end or in the background.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';

import { until } from '../process-cluster.ts';

export type Ran = { readonly code: number | null; readonly out: string; readonly err: string };

const timeoutMs = 30_000;
/** Of what goes on in the background while a whole test does. */
const livesMs = 120_000;

export class Etcdctl {
  readonly #env: NodeJS.ProcessEnv;

  constructor(endpoints: readonly string[]) {
    const own = { ETCDCTL_API: '3', ETCDCTL_ENDPOINTS: endpoints.join(',') };
    this.#env = { ...process.env, ...own };
  }

  async run(args: readonly string[], input = ''): Promise<Ran> {
    const running = this.start(args, input, timeoutMs);
    return await running.ended();
  }

  start(args: readonly string[], input?: string, timeout = livesMs): RunningEtcdctl {
    const child = spawn('etcdctl', [...args], { env: this.#env, timeout });
    child.stdin.on('error', () => undefined); // It may have no use for its input.
    if (input !== undefined) child.stdin.end(input);
    return new RunningEtcdctl(child, args.join(' '));
  }
}

export class RunningEtcdctl {
  out = '';
  err = '';
  readonly #child: ChildProcess;
  readonly #what: string;
  readonly #end: Promise<unknown>;

  constructor(child: ChildProcess, what: string) {
    this.#child = child;
    this.#what = what;
    this.#end = once(child, 'close');
    child.stdout?.on('data', (text) => {
      this.out += text;
    });
    child.stderr?.on('data', (text) => {
      this.err += text;
    });
  }

  /** Until it has printed so many lines. */
  async hasPrinted(lines: number): Promise<void> {
    const printed = (): number => this.out.split('\n').length - 1;
    await until(async () => printed() >= lines || this.#child.exitCode !== null, {
      timeoutMs,
      everyMs: 10,
      what: () => `${lines} lines of etcdctl ${this.#what}:\n${this.out}${this.err}`,
    });
  }

  /** As Ctrl-C does: a lock is given back, a lease is not. */
  async stop(): Promise<Ran> {
    this.#child.kill('SIGINT');
    return await this.ended();
  }

  async ended(): Promise<Ran> {
    await this.#end;
    return { code: this.#child.exitCode, out: this.out, err: this.err };
  }
}
