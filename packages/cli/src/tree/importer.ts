// Takes files in as configurations: several at a time, each read only when its turn comes, so that
// memory is bounded by the concurrency and not by the tree. It goes on through a change of leader:
// a publication whose answer was lost is sent again in its session, and takes effect once.
import { setMaxListeners } from 'node:events';

import { Backoff } from '@holdfast/base/backoff';
import { type Clock, sleep } from '@holdfast/base/clock';
import { HoldfastError } from '@holdfast/base/errors';
import type { Random } from '@holdfast/base/random';
import type { ConfigApi, PublishResult } from '@holdfast/client/config-api';

import { formatOf } from './format-of.ts';
import type { Progress } from './progress.ts';
import { readFileBounded } from './read-file-bounded.ts';
import { Tally } from './tally.ts';
import type { FoundFile, FoundOther, SkipReason } from './tree-walker.ts';

export type ImportOptions = {
  readonly namespace: string;
  readonly group: string;
  readonly concurrency: number;
  readonly bytesMax: number;
  readonly dryRun: boolean;
  readonly comment: string | undefined;
  /** How long the cluster may refuse everything before the import gives up. */
  readonly patienceMs: number;
  readonly includes: (name: string) => boolean;
};

export type ImportPorts = {
  readonly configs: Pick<ConfigApi, 'publish'>;
  readonly clock: Clock;
  readonly random: Random;
  readonly progress: Progress;
  readonly signal: AbortSignal;
};

export type ImportSummary = {
  readonly published: number;
  /** Of those: in the store already, byte for byte. */
  readonly unchanged: number;
  /** Of those: not what their ending says, and so taken in as text. */
  readonly asText: number;
  readonly bytes: number;
  readonly notIncluded: number;
  readonly skipped: ReturnType<Tally['lines']>;
  readonly skippedCount: number;
  readonly retries: number;
  readonly lastRevision: number;
  readonly seconds: number;
};

type Document = { readonly content: Uint8Array; readonly format: string };

/** Refusals that concern one file and none of the others. */
const fileCodes: ReadonlySet<string> = new Set([
  'invalid-argument',
  'too-large',
  'unsupported-media-type',
  'failed-precondition',
  'conflict',
]);

export class Importer {
  readonly #options: ImportOptions;
  readonly #ports: ImportPorts;
  readonly #skipped = new Tally();
  #published = 0;
  #unchanged = 0;
  #asText = 0;
  #bytes = 0;
  #notIncluded = 0;
  #retries = 0;
  #lastRevision = 0;

  constructor(options: ImportOptions, ports: ImportPorts) {
    this.#options = options;
    this.#ports = ports;
  }

  /** Rejects when the cluster refuses for longer than the patience, or for a reason that stays. */
  async run(found: AsyncGenerator<FoundFile | FoundOther>): Promise<void> {
    const stop = new AbortController();
    const signal = AbortSignal.any([this.#ports.signal, stop.signal]);
    setMaxListeners(0, signal); // Every worker listens to it.
    const workers = Array.from({ length: this.#options.concurrency }, () =>
      this.#work(found, signal).catch((error: unknown) => {
        stop.abort(error); // One failure ends all workers, and is the import's own.
        throw error;
      }),
    );
    const results = await Promise.allSettled(workers);
    await found.return(undefined);
    if (stop.signal.aborted) throw stop.signal.reason;
    if (this.#ports.signal.aborted) throw this.#ports.signal.reason;
    for (const result of results) if (result.status === 'rejected') throw result.reason;
  }

  summary(elapsedMs: number): ImportSummary {
    return {
      published: this.#published,
      unchanged: this.#unchanged,
      asText: this.#asText,
      bytes: this.#bytes,
      notIncluded: this.#notIncluded,
      skipped: this.#skipped.lines(),
      skippedCount: this.#skipped.count,
      retries: this.#retries,
      lastRevision: this.#lastRevision,
      seconds: Math.round(elapsedMs) / 1_000,
    };
  }

  get skipped(): Tally {
    return this.#skipped;
  }

  /** Generators queue their callers, so all workers pull from the one walk. */
  async #work(found: AsyncGenerator<FoundFile | FoundOther>, signal: AbortSignal): Promise<void> {
    for (;;) {
      signal.throwIfAborted();
      const { value, done } = await found.next();
      if (done || value === undefined) return;
      await this.#take(value, signal);
      this.#ports.progress.done(this.#published + this.#skipped.count, this.#note());
    }
  }

  async #take(found: FoundFile | FoundOther, signal: AbortSignal): Promise<void> {
    if (found.type === 'skipped') {
      this.#skipped.add(found.reason, found.path, found.detail);
      return;
    }
    if (!this.#options.includes(found.name)) {
      this.#notIncluded += 1;
      return;
    }
    const read = await readFileBounded(found.path, this.#options.bytesMax);
    if (read.type === 'skipped') this.#skipped.add(read.reason, found.path, read.detail);
    else await this.#publish(found, read.content, signal);
  }

  async #publish(found: FoundFile, content: Uint8Array, signal: AbortSignal): Promise<void> {
    const format = formatOf(found.name);
    try {
      this.#count(content, await this.#patiently(found.name, { content, format }, signal));
    } catch (error) {
      if (!isAboutTheFile(error)) throw error;
      // What does not parse is still worth keeping as text; another name would be another file.
      if (format === 'text' || 'part' in error.details) this.#refused(found, error);
      else await this.#publishAsText(found, content, signal);
    }
  }

  async #publishAsText(found: FoundFile, content: Uint8Array, signal: AbortSignal): Promise<void> {
    try {
      this.#count(content, await this.#patiently(found.name, { content, format: 'text' }, signal));
      this.#asText += 1;
    } catch (error) {
      if (!isAboutTheFile(error)) throw error;
      this.#refused(found, error);
    }
  }

  #refused(found: FoundFile, error: HoldfastError): void {
    this.#skipped.add(reasonOf(error), found.path, error.message);
  }

  #count(content: Uint8Array, result: PublishResult): void {
    this.#published += 1;
    this.#bytes += content.length;
    if (!result.changed) this.#unchanged += 1;
    this.#lastRevision = Math.max(this.#lastRevision, result.revision);
  }

  /** Publishes until it is done, refused for good, or the patience has run out. */
  async #patiently(
    name: string,
    { content, format }: Document,
    signal: AbortSignal,
  ): Promise<PublishResult> {
    const { namespace, group, dryRun, comment, patienceMs } = this.#options;
    if (dryRun) return { revision: 0, version: 0, changed: true };
    const backoff = new Backoff({ initialMs: 100, maxMs: 2_000 }, this.#ports.random);
    const giveUpMs = this.#ports.clock.monotonicMs() + patienceMs;
    for (;;) {
      try {
        const options = { format, comment, mayRepeat: true, timeoutMs: patienceMs, signal };
        return await this.#ports.configs.publish({ namespace, group, name }, content, options);
      } catch (error) {
        signal.throwIfAborted();
        const mayPass = error instanceof HoldfastError && error.retryable;
        if (!mayPass || this.#ports.clock.monotonicMs() >= giveUpMs) throw error;
        this.#retries += 1;
        await sleep(this.#ports.clock, backoff.nextMs(), signal);
      }
    }
  }

  #note(): string {
    const parts = [`${(this.#bytes / 1_048_576).toFixed(1)} MiB`];
    if (this.#skipped.count > 0) parts.push(`${this.#skipped.count} skipped`);
    if (this.#retries > 0) parts.push(`${this.#retries} retries`);
    return parts.join(', ');
  }
}

function reasonOf(error: HoldfastError): SkipReason {
  if (error.code === 'too-large') return 'too large';
  return error.details['part'] === 'name' ? 'name refused' : 'refused';
}

/** A cluster in the middle of an upgrade has no sessions yet: that concerns every file. */
const isAboutTheFile = (error: unknown): error is HoldfastError =>
  error instanceof HoldfastError && fileCodes.has(error.code) && !('heldBackBy' in error.details);
