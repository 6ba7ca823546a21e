// One member of a development cluster as a process of its own. Its standard input is its lifeline:
// when the pipe ends, for whatever reason, the member closes itself, so that no orphan stays.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, fstatSync, mkdirSync, openSync } from 'node:fs';
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

/** As its log has it: a code of the house, and its sentence. */
export type MemberFault = { readonly code: string; readonly message: string };

/** More than a member says after it. */
const faultLinesMax = 8;
const stopWithinMs = 10_000;

export class MemberProcess {
  readonly plan: MemberPlan;
  /** Resolves when the process has ended; never rejects. */
  readonly exited: Promise<MemberExit>;
  /** Where in its log this run begins: what stands before is of earlier ones. */
  readonly #logStart: number;
  readonly #child: ChildProcess;
  readonly #clock: Clock;
  #exit: MemberExit | undefined;

  constructor(plan: MemberPlan, args: readonly string[], clock: Clock) {
    this.plan = plan;
    this.#clock = clock;
    mkdirSync(dirname(plan.logPath), { recursive: true });
    const log = openSync(plan.logPath, 'a');
    this.#logStart = fstatSync(log).size;
    // A process group of its own: a terminal's Ctrl-C is told to the parent, which ends members in
    // order.
    this.#child = spawn(process.execPath, args, { stdio: ['pipe', log, log], detached: true });
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

  /** The last lines that this run has logged. */
  lastLines(count: number): Promise<string> {
    return lastLines(this.plan.logPath, { from: this.#logStart, count });
  }

  /** What it has ended for, where it has said so. */
  async lastFault(): Promise<MemberFault | undefined> {
    const lines = (await this.lastLines(faultLinesMax)).split('\n');
    return lines.map(faultIn).findLast((fault) => fault !== undefined);
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

/** A line of its log, in JSON, or words of something else. */
function faultIn(line: string): MemberFault | undefined {
  try {
    const { level, code, msg } = JSON.parse(line) as Record<string, unknown>;
    return level === 'fatal' ? { code: String(code), message: String(msg) } : undefined;
  } catch {
    return undefined; // Words of something else, or the end of a line.
  }
}

type LogPart = { readonly from: number; readonly count: number };

/** The last lines of a member's log, for a person who has to know why it ended. */
async function lastLines(path: string, { from, count }: LogPart): Promise<string> {
  try {
    await using file = await open(path, 'r');
    const { size } = await file.stat();
    const length = Math.min(Math.max(size - from, 0), 8_192);
    const { buffer } = await file.read(Buffer.alloc(length), 0, length, size - length);
    return buffer.toString('utf8').trimEnd().split('\n').slice(-count).join('\n');
  } catch {
    return ''; // No log is no reason to fail while another failure is told.
  }
}
