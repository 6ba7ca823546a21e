// A watch on the embedded store as a stream: pulls from a cursor, sleeps until the store wakes it,
// and says now and then how far everything has been given. Slow readers cost a cursor, nothing
// else. It ends by its reader, by the signal, or with the member; whoever ends it, the cursor goes
// at once.
import type { Clock, Timer } from '@holdfast/base/clock';
import { HoldfastError } from '@holdfast/base/errors';
import type { Revision } from '@holdfast/base/ids';
import type { Subject } from '@holdfast/domain/subject';
import type { KvStore } from '@holdfast/mvcc/kv-store';
import type { WatchCursor } from '@holdfast/mvcc/watch-cursor';
import type { AccessGuard } from './access-guard.ts';
import type { WatchItem, WatchRequest, WatchStream } from './engine.ts';
import type { WatchTurns } from './watch-turns.ts';

/** How many events one pull takes from the store before others run. */
const eventsPerPull = 256;

export type StoreWatchOptions = {
  readonly store: KvStore;
  readonly clock: Clock;
  readonly request: WatchRequest;
  /** Judges what is given: each item by the rules of the moment at which it is. */
  readonly access: AccessGuard;
  readonly subject: Subject | undefined;
  /** Shared by all watches of a member. */
  readonly turns: WatchTurns;
  readonly signal: AbortSignal | undefined;
  /** Called once, when the watch is over. */
  readonly onEnd?: (watch: StoreWatch) => void;
};

export class StoreWatch implements WatchStream {
  readonly startedAt: Revision;
  readonly #options: StoreWatchOptions;
  readonly #cursor: WatchCursor;
  #isClosed = false;
  #isAborted = false;
  #reason: HoldfastError | undefined;
  #wake: (() => void) | undefined;
  #lastGivenMs: number;
  /** The access rules by which it was found to be allowed. */
  #judgedAt: number;

  /** Throws `compacted` or `invalid-argument`, as the store does, and what is not allowed. */
  constructor(options: StoreWatchOptions) {
    this.#options = options;
    options.access.requireRead(options.request, options.subject);
    this.#judgedAt = options.store.accessRevision;
    this.startedAt = options.store.revision;
    this.#lastGivenMs = options.clock.monotonicMs();
    this.#cursor = options.store.watch(options.request, () => this.#wakeUp());
    options.signal?.addEventListener('abort', this.#onAbort, { once: true });
  }

  /** The reader is done; items end. */
  close(): void {
    this.#end();
  }

  /** Somebody else ends it: the reader hears why. */
  fail(reason: HoldfastError): void {
    if (!this.#isClosed) this.#reason = reason;
    this.#end();
  }

  /** Whether it is allowed by the rules in force; else it has ended, and its reader hears why. */
  judge(): boolean {
    const { access, request, store, subject } = this.#options;
    if (store.accessRevision === this.#judgedAt) return true;
    this.#judgedAt = store.accessRevision;
    try {
      access.requireRead(request, subject);
      return true;
    } catch (error) {
      if (!(error instanceof HoldfastError)) throw error;
      this.fail(error);
      return false;
    }
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<WatchItem> {
    try {
      if (this.#options.signal?.aborted) this.#onAbort();
      while (!this.#isClosed) {
        if (this.#cursor.behind) await this.#options.turns.take();
        if (this.#isClosed) break;
        const batches = this.#cursor.next(eventsPerPull);
        for (const { revision, events } of batches) {
          if (!this.judge()) break;
          this.#lastGivenMs = this.#options.clock.monotonicMs();
          yield { type: 'events', revision, events };
          if (this.#isClosed) break;
        }
        if (this.#isClosed) break;
        const progress = batches.length === 0 ? await this.#wait() : undefined;
        if (progress !== undefined && this.judge()) yield { type: 'progress', revision: progress };
      }
    } finally {
      this.close();
    }
    if (this.#reason) throw this.#reason;
    if (this.#isAborted) this.#options.signal?.throwIfAborted();
  }

  readonly #onAbort = (): void => {
    this.#isAborted = !this.#isClosed;
    this.#end();
  };

  #end(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#options.signal?.removeEventListener('abort', this.#onAbort);
    this.#cursor.close();
    this.#options.onEnd?.(this);
    this.#wakeUp();
  }

  /** Until there may be an event, or progress is due: then its revision. */
  async #wait(): Promise<Revision | undefined> {
    if (this.#cursor.behind) return undefined;
    const timer = this.#progressTimer();
    try {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    } finally {
      timer?.cancel();
    }
    return this.#dueProgress();
  }

  #progressTimer(): Timer | undefined {
    const { clock, request } = this.#options;
    if (request.progressMs === undefined) return undefined;
    const delayMs = this.#lastGivenMs + request.progressMs - clock.monotonicMs();
    return clock.schedule(Math.max(0, delayMs), () => this.#wakeUp());
  }

  #dueProgress(): Revision | undefined {
    const { clock, request } = this.#options;
    if (request.progressMs === undefined || this.#isClosed || this.#cursor.behind) return undefined;
    if (clock.monotonicMs() - this.#lastGivenMs < request.progressMs) return undefined;
    this.#lastGivenMs = clock.monotonicMs();
    return this.#cursor.progressRevision;
  }

  #wakeUp(): void {
    this.#wake?.();
    this.#wake = undefined;
  }
}
