// Every call of the SDK, made from a machine of the rig again and again until it is stopped.
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import type { Machine } from '../../tools/dark/machine.ts';
import type { ClientReport } from '../../tools/dark/protocol.ts';

const script = new URL('../../tools/dark/client-calls.mjs', import.meta.url).pathname;

export class ClientCalls {
  readonly #child: ChildProcess;
  readonly #lines: AsyncIterator<string>;

  private constructor(child: ChildProcess) {
    this.#child = child;
    const lines = createInterface({ input: child.stdout as NodeJS.ReadableStream });
    this.#lines = lines[Symbol.asyncIterator]();
  }

  /** Resolves when the calls begin, each once in `everyMs`. */
  static async start(
    machine: Machine,
    { endpoints, everyMs }: { readonly endpoints: readonly string[]; readonly everyMs: number },
  ): Promise<ClientCalls> {
    const args = [script, endpoints.join(','), String(everyMs)];
    const child = machine.spawn(process.execPath, args, { stdio: ['pipe', 'pipe', 'inherit'] });
    const calls = new ClientCalls(child);
    await calls.#line();
    return calls;
  }

  /** When the last call has ended. */
  async stop(): Promise<ClientReport> {
    const exited = once(this.#child, 'exit');
    this.#child.stdin?.write('stop\n');
    const report = JSON.parse(await this.#line()) as ClientReport;
    await exited;
    return report;
  }

  async #line(): Promise<string> {
    const { value, done } = await this.#lines.next();
    if (done === true) throw new Error('the process of the SDK has ended');
    return value;
  }
}
