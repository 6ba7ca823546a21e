// Watches of one reader on the embedded store, to be pulled: a cursor each, no timer, no promise.
// Fifty thousand of them are a few megabytes, where as many streams (store-watch.ts) are hundreds.
import type { HoldfastError } from '@holdfast/base/errors';
import type { Revision } from '@holdfast/base/ids';
import type { Subject } from '@holdfast/domain/subject';
import type { KvStore } from '@holdfast/mvcc/kv-store';
import type { WatchCursor } from '@holdfast/mvcc/watch-cursor';
import type { AccessGuard } from './access-guard.ts';
import type { PulledRequest, PulledWatch, PulledWatches, WatchBatch } from './engine.ts';
import type { TurnRead, WatchTurns } from './watch-turns.ts';

export type StorePulledWatchesOptions = {
  readonly store: KvStore;
  readonly access: AccessGuard;
  /** Who reads them. */
  readonly subject: Subject | undefined;
  readonly turns: WatchTurns;
  readonly onFail: (reason: HoldfastError) => void;
  /** Called once, when they are over. */
  readonly onEnd: () => void;
};

export class StorePulledWatches implements PulledWatches {
  readonly #options: StorePulledWatchesOptions;
  #isClosed = false;

  constructor(options: StorePulledWatchesOptions) {
    this.#options = options;
  }

  get revision(): Revision {
    return this.#options.store.revision;
  }

  admit(request: PulledRequest): Promise<undefined> | undefined {
    const { access, subject } = this.#options;
    return access.admitRead(request, { subject });
  }

  open(request: PulledRequest, onReady: () => void): PulledWatch {
    this.require(request);
    return this.#options.store.watch(request, onReady);
  }

  next(watch: PulledWatch, limit: number): readonly WatchBatch[] {
    const { access, subject } = this.#options;
    const cursor = watch as WatchCursor;
    if (access.rules.isOn) access.requireRead(cursor.watched, subject);
    return cursor.next(limit);
  }

  require(request: PulledRequest): void {
    const { access, subject } = this.#options;
    access.requireRead(request, subject);
  }

  askTurn(read: TurnRead): void {
    this.#options.turns.ask(() => (this.#isClosed ? 0 : read()));
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#options.onEnd();
  }

  /** Somebody else ends them: the reader hears why. */
  fail(reason: HoldfastError): void {
    if (this.#isClosed) return;
    this.close();
    this.#options.onFail(reason);
  }
}
