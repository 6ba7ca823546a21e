// One member of a development cluster as a process of its own. Its standard input is its lifeline:
// when the pipe ends, for whatever reason, the member closes itself, so that no orphan stays.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, mkdirSync, openSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { dirname } from 'node:path';

import type { Clock } from '@holdfast/base/clock';

export type MemberPlan = {
  readonly name: string;
  readonly dataDir: string;
  readonly logPath: string;
  readonly client: string;
  readonly peer: string;
};

export type MemberExit = { readonly code: number | null; readonly signal: string | null };

const stopWithinMs = 10_000;

/** A member has the memory that this command was given (bin/holdfast.js). */
const memoryFlags = (): readonly string[] =>
  process.execArgv.filter((flag) => flag.startsWith('--max-semi-space-size='));

export class MemberProcess {
  readonly plan: MemberPlan;
  /** Resolves when the process has ended; never rejects. */
  readonly exited: Promise<MemberExit>;
  readonly #child: ChildProcess;
  readonly #clock: Clock;
  #exit: MemberExit | undefined;

  constructor(plan: MemberPlan, args: readonly string[], clock: Clock) {
    this.plan = plan;
    this.#clock = clock;
    mkdirSync(dirname(plan.logPath), { recursive: true });
    const log = openSync(plan.logPath, 'a');
    // A process group of its own: a terminal's Ctrl-C is told to the parent, which ends members in
    // order.
    const command = [...memoryFlags(), ...args];
    this.#child = spawn(process.execPath, command, { stdio: ['pipe', log, log], detached: true });
    closeSync(log);
    // The pipe breaks when the member has ended; that is told by `exited`.
    this.#child.stdin?.on('error', () => undefined);
    this.exited = this.#watch();
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  get exit(): MemberExit | undefined {
    return this.#exit;
  }

  /** Asks it to end, and ends it by force when it has not after ten seconds. */
  async stop(): Promise<void> {
    if (this.#exit !== undefined) return;
    this.#child.kill('SIGTERM');
    this.#child.stdin?.end();
    const timer = this.#clock.schedule(stopWithinMs, () => void this.#child.kill('SIGKILL'));
    await this.exited;
    timer.cancel();
  }

  async #watch(): Promise<MemberExit> {
    try {
      const [code, signal] = (await once(this.#child, 'exit')) as [number | null, string | null];
      this.#exit = { code, signal };
    } catch {
      this.#exit = { code: null, signal: null }; // It could not be started at all.
    }
    return this.#exit;
  }
}

/** The last lines of a member's log, for a person who has to know why it ended. */
export async function lastLines(path: string, count: number): Promise<string> {
  try {
    await using file = await open(path, 'r');
    const { size } = await file.stat();
    const length = Math.min(size, 8_192);
    const { buffer } = await file.read(Buffer.alloc(length), 0, length, size - length);
    return buffer.toString('utf8').trimEnd().split('\n').slice(-count).join('\n');
  } catch {
    return ''; // No log is no reason to fail while another failure is told.
  }
}
