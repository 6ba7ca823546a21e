// Who of a stream's watchers is told how far it is: those that want it and had no event for a
// while, and all of them when their client asks. Nobody is told of a revision before all up to it
// was given to it, nor of one below its own beginning (safety.md 22).
import type { Clock, Timer } from '@holdfast/base/clock';
import { Fifo } from '@holdfast/base/fifo';
import { noWatchId } from './watch-answers.ts';
import type { Watcher } from './watcher.ts';

export type WatchProgressOptions = {
  readonly clock: Clock;
  readonly intervalMs: number;
  /** Of the stream that are not over. */
  readonly watchers: ReadonlyMap<bigint, Watcher>;
  /** Of the state that is watched, now. */
  readonly revision: () => number;
  /** Says that everything up to the present revision was given, to one or (-1) to all. */
  readonly tell: (watchId: bigint) => void;
  /** There is somebody to tell. */
  readonly onDue: () => void;
};

export class WatchProgress {
  readonly #options: WatchProgressOptions;
  readonly #due = new Fifo<Watcher>();
  /** Those that begin later than with the next revision, as far as was seen last. */
  readonly #future = new Set<Watcher>();
  #ticker: Timer | undefined;
  #isAskedForAll = false;

  constructor(options: WatchProgressOptions) {
    this.#options = options;
  }

  begin(watcher: Watcher): void {
    if (this.#isFuture(watcher)) this.#future.add(watcher);
    if (watcher.wantsProgress) this.#ticker ??= this.#tickLater();
  }

  end(watcher: Watcher): void {
    this.#future.delete(watcher);
  }

  close(): void {
    this.#ticker?.cancel();
    this.#ticker = undefined;
    this.#due.clear();
    this.#isAskedForAll = false;
  }

  askForAll(): void {
    this.#isAskedForAll = true;
    this.#options.onDue();
  }

  get isDue(): boolean {
    return this.#due.length > 0 || this.#isAskedForAll;
  }

  /** The next one, who may have something coming by now: then it needs no notice. */
  tellNext(): void {
    const watcher = this.#due.shift();
    if (!watcher) return;
    watcher.isDue = false;
    if (watcher.isOver || watcher.watch.behind || this.#isFuture(watcher)) return;
    this.#options.tell(watcher.id);
  }

  /** To be called while none of the watchers has more to read. */
  tellAll(): void {
    if (!this.#isAskedForAll) return;
    this.#isAskedForAll = false;
    const { watchers, tell } = this.#options;
    if (watchers.size === 0) return;
    for (const watcher of this.#future) {
      if (!this.#isFuture(watcher)) this.#future.delete(watcher);
    }
    if (this.#future.size === 0) return tell(noWatchId);
    // What is said to all would be said to those, too, that begin later.
    for (const watcher of watchers.values()) {
      if (!this.#future.has(watcher)) this.#isDueFor(watcher);
    }
  }

  /** What lies before its beginning is known to its client. */
  #isFuture({ start }: Watcher): boolean {
    return start > this.#options.revision() + 1;
  }

  #tickLater(): Timer {
    return this.#options.clock.schedule(this.#options.intervalMs, () => this.#tick());
  }

  #tick(): void {
    this.#ticker = this.#tickLater();
    for (const watcher of this.#options.watchers.values()) {
      if (!watcher.wantsProgress) continue;
      if (!watcher.hasHeard) this.#isDueFor(watcher);
      watcher.hasHeard = false;
    }
    if (this.#due.length > 0) this.#options.onDue();
  }

  #isDueFor(watcher: Watcher): void {
    if (watcher.isDue) return;
    watcher.isDue = true;
    this.#due.push(watcher);
  }
}
