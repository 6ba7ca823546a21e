// Debian's Python with its package etcd3: one process that does what python-cases.py says, and
// tells of each in turn.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';

import { python } from '../../../tools/lib/etcd-programs.mjs';
import type { ProcessMember } from '../process-cluster.ts';

const script = new URL('./python-cases.py', import.meta.url).pathname;
const timeoutMs = 60_000;

/** What it says on a line. */
export type Said = {
  readonly name?: string;
  readonly error?: string;
  readonly told?: readonly string[];
};

export class PythonProgram implements AsyncDisposable {
  readonly #child: ChildProcess;
  readonly #lines: AsyncIterator<string>;
  #err = '';

  constructor(member: ProcessMember, names: readonly string[]) {
    const [host = '', port = ''] = member.place.client.split(':');
    const args = ['-W', 'ignore', script, host, port, ...names];
    this.#child = spawn(python, args, { timeout: timeoutMs });
    this.#child.stderr?.on('data', (text) => {
      this.#err += text;
    });
    const input = this.#child.stdout as NodeJS.ReadableStream;
    this.#lines = createInterface({ input })[Symbol.asyncIterator]();
  }

  async says(): Promise<Said> {
    const { done, value } = await this.#lines.next();
    if (done) throw new Error(`Python ended: ${this.#err}`);
    return JSON.parse(value) as Said;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const { exitCode, signalCode } = this.#child;
    if (exitCode !== null || signalCode !== null) return;
    this.#child.kill('SIGKILL');
    await once(this.#child, 'exit');
  }
}
