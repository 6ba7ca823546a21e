// Feeds committed entries to the state machine: in order, each once, read in bounded batches (D-11)
// and applied in short slices, with a turn of the event loop after each, so that heartbeats go out
// while a long log is replayed.
import { assert } from '@holdfast/base/assert';
import { advance, type Index, index } from '@holdfast/base/ids';
import { commandsIn } from '@holdfast/proto/entry-envelope';
import { type Configuration, decodeConfiguration } from '@holdfast/raft/configuration';
import type { Entry, LogId } from '@holdfast/raft/entry';
import type { ApplyResult, LogStore, StateMachine } from './ports.ts';
import type { ReplicaSettings } from './settings.ts';

/**
 * Commands between two turns of other work (D-11): a turn costs less than applying five of them. An
 * entry is never parted, so that a group may add its own to that.
 */
const sliceCountMax = 100;

const none: readonly Entry[] = [];

export type ApplyOptions = {
  readonly log: Pick<LogStore, 'read'>;
  readonly stateMachine: StateMachine;
  readonly settings: ReplicaSettings;
  readonly nextTurn: (action: () => void) => void;
  /** Where the state machine stands, and under which configuration. */
  readonly start: LogId;
  readonly configuration: Configuration;
  readonly onApplied: (entries: readonly Entry[], results: readonly ApplyResult[]) => void;
  readonly onFailure: (error: unknown) => void;
};

export class ApplyLoop {
  readonly #options: ApplyOptions;
  #applied: LogId;
  #configuration: Configuration;
  #committed: Index;
  /** What was read and not applied yet; empty, or begins right after #applied. */
  #batch: readonly Entry[] = none;
  #isBusy = false;
  #isPaused = false;
  #isClosed = false;
  #hasFailed = false;
  #idle: (() => void)[] = [];

  constructor(options: ApplyOptions) {
    this.#options = options;
    this.#applied = options.start;
    this.#configuration = options.configuration;
    this.#committed = options.start.index;
  }

  /** The last applied entry. */
  get applied(): LogId {
    return this.#applied;
  }

  /** The configuration as of the last applied entry: what a snapshot of this state carries. */
  get configuration(): Configuration {
    return this.#configuration;
  }

  /** Entries below `hi` are committed now. */
  commit(hi: Index): void {
    this.#committed = advance(hi, -1);
    if (!this.#isBusy && !this.#isPaused) this.#run();
  }

  /** Resolves when no batch is under way; none starts before `resume`. */
  async pause(): Promise<void> {
    this.#isPaused = true;
    if (this.#isBusy) await new Promise<void>((resolve) => this.#idle.push(resolve));
  }

  /** The state machine was replaced by a snapshot's state. */
  resumeAt(start: LogId, configuration: Configuration): void {
    assert(start.index >= this.#applied.index, 'a snapshot only moves forward');
    this.#applied = start;
    this.#configuration = configuration;
    this.#committed = index(Math.max(this.#committed, start.index));
    this.resume();
  }

  /** As pause(), for good. */
  close(): Promise<void> {
    this.#isClosed = true;
    return this.pause();
  }

  resume(): void {
    if (this.#isClosed) return;
    this.#isPaused = false;
    if (!this.#isBusy) this.#run();
  }

  #run(): void {
    if (this.#isPaused || this.#hasFailed || this.#applied.index >= this.#committed) {
      this.#batch = none; // After a pause the state may be another one.
      this.#becomeIdle();
      return;
    }
    this.#isBusy = true;
    try {
      const read = this.#batch.length > 0 ? this.#batch : this.#read();
      if (read instanceof Promise) read.then((entries) => this.#apply(entries), this.#fail);
      else this.#apply(read);
    } catch (error) {
      this.#fail(error); // No batch can be had: the member ends, and `main` is told by onFailure.
    }
  }

  #read(): ReturnType<LogStore['read']> {
    const { log, settings } = this.#options;
    const lo = advance(this.#applied.index, 1);
    const hi = index(Math.min(this.#committed + 1, lo + settings.applyCountMax));
    return log.read(lo, hi, settings.applyBytesMax);
  }

  /** Nothing is applied any more: the state may have half a batch. */
  readonly #fail = (error: unknown): void => {
    this.#hasFailed = true;
    this.#becomeIdle();
    this.#options.onFailure(error);
  };

  #apply(entries: readonly Entry[]): void {
    try {
      const end = sliceEnd(entries);
      this.#applySlice(end === entries.length ? entries : entries.slice(0, end));
      this.#batch = end === entries.length ? none : entries.slice(end);
    } catch (error) {
      this.#fail(error); // A broken invariant: the member ends, and `main` is told by onFailure.
      return;
    }
    if (this.#applied.index < this.#committed) this.#options.nextTurn(() => this.#run());
    else this.#becomeIdle();
  }

  #applySlice(entries: readonly Entry[]): void {
    const last = entries[entries.length - 1];
    assert(last !== undefined, 'a read of committed entries finds at least one');
    assert(entries[0]?.index === this.#applied.index + 1, 'entries are applied without a gap');
    const results = this.#options.stateMachine.apply(entries);
    assert(results.length === entries.length, 'every entry has a result');
    for (const entry of entries) {
      if (entry.kind === 'membership') this.#configuration = decodeConfiguration(entry.payload);
    }
    this.#applied = { index: last.index, term: last.term };
    this.#options.onApplied(entries, results);
  }

  #becomeIdle(): void {
    this.#isBusy = false;
    const idle = this.#idle;
    this.#idle = [];
    for (const resolve of idle) resolve();
  }
}

/** Behind the last entry of a slice: as many as have enough commands, and at least one. */
function sliceEnd(entries: readonly Entry[]): number {
  let commands = 0;
  for (let at = 0; at < entries.length; at += 1) {
    const { kind, payload } = entries[at] as Entry;
    commands += kind === 'command' ? commandsIn(payload) : 1;
    if (commands >= sliceCountMax) return at + 1;
  }
  return entries.length;
}
