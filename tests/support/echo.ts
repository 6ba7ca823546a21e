// An echo between two machines of the rig, over a TCP connection that is watched: what was told,
// and when.
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import type { Machine } from '../../tools/dark/machine.ts';
import { until } from './process-cluster.ts';

const port = 7;
const serverScript = new URL('./echo-server.mjs', import.meta.url).pathname;
const clientScript = new URL('./echo-client.mjs', import.meta.url).pathname;
const stdio = ['pipe', 'pipe', 'inherit'] as const;

/** Resolves when it listens. */
export async function startEchoServer(machine: Machine): Promise<ChildProcess> {
  const args = [serverScript, machine.address, String(port)];
  const server = machine.spawn(process.execPath, args, { stdio: [...stdio] });
  await once(server.stdout as NodeJS.ReadableStream, 'data');
  return server;
}

export class EchoClient {
  readonly #child: ChildProcess;
  /** What the connection told, line by line. */
  readonly told: string[] = [];

  constructor(from: Machine, to: Machine) {
    const args = [clientScript, to.address, String(port)];
    this.#child = from.spawn(process.execPath, args, { stdio: [...stdio] });
    const output = this.#child.stdout as NodeJS.ReadableStream;
    createInterface({ input: output }).on('line', (line) => this.told.push(line));
  }

  say(words: string): void {
    this.#child.stdin?.write(`${words}\n`);
  }

  /** Until the connection has told this. */
  async tells(line: string, timeoutMs = 10_000): Promise<void> {
    await until(async () => this.told.includes(line), {
      timeoutMs,
      everyMs: 5,
      what: () => `"${line}"; told were ${JSON.stringify(this.told)}`,
    });
  }

  /** The words are sent now, and their echo is here. */
  async echoes(words: string, timeoutMs?: number): Promise<void> {
    this.say(words);
    await this.tells(`heard ${words}`, timeoutMs);
  }
}
