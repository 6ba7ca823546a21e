// The generator as seen from the harness: a process of its own, so that its work is not mixed with
// the harness', and so that its processor time can be told apart.
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';

import type { LoadPlan, LoadResult } from './load-plan.ts';

type LoadAnswer = { readonly result?: LoadResult; readonly error?: string };

export class LoadClient {
  readonly #child: ChildProcess;

  constructor() {
    this.#child = fork(new URL('./load-process.ts', import.meta.url));
  }

  /**
   * Rejects when a connection broke, when any answer was no success, or when the signal ended:
   * then it is of no more use, and to be closed.
   */
  async run(plan: LoadPlan, options: { readonly signal?: AbortSignal } = {}): Promise<LoadResult> {
    this.#child.send(plan);
    const [answer] = (await once(this.#child, 'message', options)) as [LoadAnswer];
    if (answer.result === undefined) throw new Error(`the load failed: ${answer.error}`);
    const failures = Object.entries(answer.result.failures);
    if (failures.length === 0) return answer.result;
    const list = failures.map(([status, count]) => `${count} x ${status}`).join(', ');
    throw new Error(`of ${answer.result.completed} answers of ${plan.kind}, these failed: ${list}`);
  }

  async close(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const exited = once(this.#child, 'exit');
    this.#child.disconnect();
    await exited;
  }
}
