// Checks contents for the configuration centre: small ones at once, large ones in a thread of their
// own, one after the other, so that a megabyte of YAML does not hold the event loop (safety.md 11).
// It owns the thread: starts it when there is work, ends one that takes too long, replaces one that
// died.
import { Worker } from 'node:worker_threads';
import type { Clock, Timer } from '@holdfast/base/clock';
import { HoldfastError, messageOf } from '@holdfast/base/errors';
import { type ConfigFormat, checkContent } from '@holdfast/domain/format';
import type { ContentCheck } from '@holdfast/engine/content-check';
import type { ContentQuestion, ContentVerdict } from './content-check-worker.ts';

/** Up to here a check takes a few milliseconds, whatever is in it. */
const atOnceBytesMax = 64 * 1024;
const waitingMax = 64;
/** With the start of the thread in it. */
const checkWithinMs = 10_000;
const threadMemoryMb = 512;

export type ContentCheckerOptions = {
  readonly clock: Clock;
  readonly checkWithinMs?: number;
};

type Job = {
  readonly question: ContentQuestion;
  readonly signal: AbortSignal | undefined;
  readonly pass: () => void;
  readonly refuse: (reason: unknown) => void;
};

export class ContentChecker {
  readonly #options: ContentCheckerOptions;
  readonly #waiting: Job[] = [];
  #current: Job | undefined;
  #timer: Timer | undefined;
  #worker: Worker | undefined;
  #isClosed = false;

  constructor(options: ContentCheckerOptions) {
    this.#options = options;
  }

  /**
   * Throws as `checkContent`, and `resource-exhausted` for what takes too long or too much memory,
   * or finds too many others waiting.
   */
  readonly check: ContentCheck = async (content, format, { bytesMax, signal }) => {
    const isSmall = content.length <= atOnceBytesMax || content.length > bytesMax;
    if (isSmall || format === 'text') checkContent(content, format, bytesMax);
    else await this.#ask({ content, format, bytesMax }, signal);
  };

  /** Refuses what is under way and ends the thread. Idempotent. */
  async close(): Promise<void> {
    this.#isClosed = true;
    const reason = new HoldfastError('shutting-down', 'this member is stopping');
    for (const job of this.#waiting.splice(0)) job.refuse(reason);
    await this.#dropWorker(reason);
  }

  #ask(question: ContentQuestion, signal: AbortSignal | undefined): Promise<void> {
    if (this.#isClosed || this.#waiting.length >= waitingMax) {
      throw new HoldfastError(
        this.#isClosed ? 'shutting-down' : 'resource-exhausted',
        `${this.#waiting.length} large contents wait for their check on this member: try again`,
      );
    }
    return new Promise((pass, refuse) => {
      this.#waiting.push({ question, signal, pass, refuse });
      this.#next();
    });
  }

  #next(): void {
    if (this.#current) return;
    let job = this.#waiting.shift();
    // Who has gone meanwhile wants no verdict any more.
    for (; job?.signal?.aborted; job = this.#waiting.shift()) job.refuse(job.signal.reason);
    if (!job) return;
    this.#current = job;
    this.#worker ??= this.#startWorker();
    const { checkWithinMs: withinMs = checkWithinMs, clock } = this.#options;
    this.#timer = clock.schedule(withinMs, () => this.#giveUp(tooLong(job.question, withinMs)));
    this.#worker.postMessage(job.question);
  }

  #startWorker(): Worker {
    const worker = new Worker(workerUrl, {
      execArgv: [],
      resourceLimits: { maxOldGenerationSizeMb: threadMemoryMb },
    });
    worker.on('message', (verdict: ContentVerdict) => this.#settle(verdict));
    worker.on('error', (error) => {
      if (worker === this.#worker) this.#giveUp(notChecked(messageOf(error)));
    });
    worker.unref();
    return worker;
  }

  #settle(verdict: ContentVerdict): void {
    const job = this.#takeCurrent();
    if (verdict === undefined) job?.pass();
    else job?.refuse(new HoldfastError(verdict.code, verdict.message, verdict));
    this.#next();
  }

  /** A thread that is stuck or broken: the next content gets a new one. */
  #giveUp(reason: HoldfastError): void {
    // A thread that does not end in order has nobody to tell: its end changes nothing here.
    this.#dropWorker(reason).catch(() => undefined);
    this.#next();
  }

  async #dropWorker(reason: HoldfastError): Promise<void> {
    const worker = this.#worker;
    this.#worker = undefined;
    this.#takeCurrent()?.refuse(reason);
    await worker?.terminate();
  }

  #takeCurrent(): Job | undefined {
    const job = this.#current;
    this.#current = undefined;
    this.#timer?.cancel();
    return job;
  }
}

/** The build, also of a member that runs from source: loaders do not reach into threads. */
const workerPath = import.meta.url.endsWith('.ts') ? '../dist' : '.';
const workerUrl = new URL(`${workerPath}/content-check-worker.js`, import.meta.url);

const tooLong = ({ format }: { readonly format: ConfigFormat }, withinMs: number): HoldfastError =>
  notChecked(`it is not parsed as ${format} within ${withinMs / 1000} s`);

const notChecked = (why: string): HoldfastError =>
  new HoldfastError(
    'resource-exhausted',
    `the content could not be checked: ${why}; publish it in smaller parts, or as text`,
  );
