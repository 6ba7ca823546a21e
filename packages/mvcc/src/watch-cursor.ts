// One watcher's place in history (safety.md 22). It pulls: what it has not asked for costs nothing.
// It is small, because a member has many of them, and reads through the hub, which knows what the
// watchers beside it have read.
import { emptyBytes } from '@holdfast/base/bytes';
import { HoldfastError } from '@holdfast/base/errors';
import type { Revision } from '@holdfast/base/ids';
import { type LinkedList, ListLink } from '@holdfast/base/linked-list';
import { type KeyRange, keyBytes } from './key-range.ts';
import type { StoreState } from './store-state.ts';
import type { HistoryAnswer, WatchBatch } from './watch-history.ts';

/** A read, as the next watcher of the range may want it, too. */
export type LastRead = {
  readonly from: number;
  readonly eventsMax: number;
  readonly answer: HistoryAnswer;
};

/** Watchers of the same range, and which of them wait for an event in it. */
export type WatchGroup = {
  /** Names it among the groups of this hub. */
  readonly number: number;
  readonly keyspace: number;
  readonly range: KeyRange;
  readonly waiting: LinkedList<WatchCursor>;
  /** All of them, and those that begin later than the next revision. */
  count: number;
  laterCount: number;
  /** What one of several has read last; those who want previous values read for themselves. */
  lastRead: LastRead | undefined;
  lastReadWithPrev: LastRead | undefined;
};

/** What a cursor needs of the hub that made it. */
export type CursorHub = {
  readonly state: StoreState;
  /** History from that revision on, up to about so many events. */
  read(cursor: WatchCursor, from: number, eventsMax: number): HistoryAnswer;
  /** It has read everything: the next event in its range wakes it. */
  wait(cursor: WatchCursor): void;
  leave(cursor: WatchCursor): void;
};

export type CursorOptions = {
  readonly group: WatchGroup;
  readonly prevKv: boolean;
  /** The first revision wanted. */
  readonly start: number;
  /** Below it there is no progress to tell. */
  readonly floor: number;
  readonly onReady: () => void;
};

/** As in a range: to the last key. */
const openEnd = new Uint8Array([0]);

export class WatchCursor {
  readonly group: WatchGroup;
  readonly prevKv: boolean;
  /** The first revision wanted. */
  readonly start: number;
  /** Its place among those that wait, of its range or of its revision. For the hub's use. */
  readonly link = new ListLink<WatchCursor>(this);
  isLater = false;
  readonly #hub: CursorHub;
  readonly #floor: number;
  readonly #onReady: () => void;
  /** The lowest revision that may hold an event not yet given. */
  #from: number;
  /** Everything up to the current revision is given; the hub knows to wake us. */
  #asleep = false;
  #closed = false;

  constructor(hub: CursorHub, options: CursorOptions) {
    this.#hub = hub;
    this.group = options.group;
    this.prevKv = options.prevKv;
    this.start = options.start;
    this.#floor = options.floor;
    this.#onReady = options.onReady;
    this.#from = options.start;
  }

  /**
   * The next revisions that have events for this watcher, about `limit` events or 64 KiB in all;
   * empty when there are none now. Watchers of one range are given the same objects. Throws
   * `compacted` when a compaction has overtaken the cursor.
   */
  next(limit: number): readonly WatchBatch[] {
    if (this.#asleep || this.#closed) return [];
    const { state } = this.#hub;
    if (this.#from < state.compactRevision) throw compacted(this.#from, state.compactRevision);
    if (this.#from > state.revision) {
      this.fallAsleep();
      return [];
    }
    const { batches, until } = this.#hub.read(this, this.#from, limit);
    this.#from = until;
    // Woken by whatever comes from here on, also while these batches are being passed on.
    if (until > state.revision) this.fallAsleep();
    return batches;
  }

  /** What it watches, as it was asked for. */
  get watched(): { keyspace: number; key: Uint8Array; rangeEnd: Uint8Array } {
    const { keyspace, range } = this.group;
    const rangeEnd = range.single
      ? emptyBytes
      : range.hi === undefined
        ? openEnd
        : keyBytes(range.hi);
    return { keyspace, key: keyBytes(range.lo), rangeEnd };
  }

  /** There is more to read now: call next() again, after letting others run. */
  get behind(): boolean {
    return !this.#asleep && !this.#closed;
  }

  /**
   * The highest revision up to which this watcher has been given everything, for a progress notice;
   * undefined below the revision at which it starts.
   */
  get progressRevision(): Revision | undefined {
    const current = this.#hub.state.revision;
    const given = this.#asleep ? current : Math.min(current, this.#from - 1);
    return given >= this.#floor ? (given as Revision) : undefined;
  }

  /** Ends the watch; next() answers nothing any more. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#hub.leave(this);
  }

  /** Waits for the hub. For the hub's and the cursor's own use. */
  fallAsleep(): void {
    this.#asleep = true;
    this.#hub.wait(this);
  }

  /**
   * An event at `from` or later may be there, `revision` being the newest; answers whether it is
   * ours.
   */
  wake(from: number, revision: number): boolean {
    if (revision < this.start) return false;
    this.#asleep = false;
    this.#from = Math.max(from, this.start);
    return true;
  }

  /** Calls onReady. For the hub's use. */
  tell(): void {
    if (!this.#closed) this.#onReady();
  }
}

export const compacted = (from: number, compactRevision: number): HoldfastError =>
  new HoldfastError(
    'compacted',
    `events from revision ${from} on are compacted away: read the keys again, ` +
      `then watch from revision ${compactRevision} or later`,
    { details: { compactRevision, startRevision: compactRevision } },
  );
