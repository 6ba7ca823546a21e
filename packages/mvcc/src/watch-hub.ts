// Who watches what (safety.md 22). A watcher is a cursor: it pulls events from the store's history
// and costs nothing while it is slow. One that has read everything waits with its range, and a
// mutation wakes only those whose range holds the key; one that is awake already is not looked at
// again.
import { HoldfastError } from '@holdfast/base/errors';
import type { Revision } from '@holdfast/base/ids';
import { IntervalSet } from './interval-set.ts';
import { isEmptyRange, type KeyRange, keyRange } from './key-range.ts';
import { SharedBatches } from './shared-batches.ts';
import type { StoreState } from './store-state.ts';
import { readHistory, type WatchBatch } from './watch-history.ts';

export type WatchOptions = {
  readonly keyspace: number;
  /** Empty means the lowest key, for use with a range end. */
  readonly key: Uint8Array;
  /** As in RangeRequest: empty = one key, one zero byte = all keys from `key` on. */
  readonly rangeEnd: Uint8Array;
  /** The first revision wanted; undefined or 0 = the one after the current. */
  readonly startRevision?: number | undefined;
  readonly prevKv?: boolean | undefined;
};

/** Watchers of the same range, and which of them wait for an event in it. */
type WatchGroup = {
  /** Names it among the groups of this hub. */
  readonly number: number;
  readonly keyspace: number;
  readonly range: KeyRange;
  readonly waiting: Set<WatchCursor>;
  count: number;
};

type WatchedSpace = {
  readonly keys: Map<string, WatchGroup>;
  readonly ranges: IntervalSet<WatchGroup>;
};

/** How many records one next() looks at before it lets others run. */
const recordsPerReadMax = 2048;
/** Bytes of keys and values after which next() answers with what it has. */
const bytesPerReadMax = 64 * 1024;

export class WatchHub {
  readonly #spaces = new Map<number, WatchedSpace>();
  #state: StoreState;
  #woken: WatchCursor[] = [];
  #count = 0;
  #groupCount = 0;
  readonly #shared = new SharedBatches();

  constructor(state: StoreState) {
    this.#state = state;
  }

  get count(): number {
    return this.#count;
  }

  /**
   * A cursor on the range. `onReady` is called when next() may have something, once until next()
   * has answered that it has not; it must not call back into the store, only note that work is
   * there. Throws `compacted` (details.compactRevision, details.startRevision to resume from), or
   * `invalid-argument` for an empty range or keyspace 0.
   */
  subscribe(options: WatchOptions, onReady: () => void): WatchCursor {
    const key = options.key.length === 0 ? new Uint8Array(1) : options.key;
    const range = keyRange(key, options.rangeEnd);
    if (isEmptyRange(range) || options.keyspace === 0) {
      throw new HoldfastError('invalid-argument', 'the watched range holds no key');
    }
    const start = options.startRevision || this.#state.revision + 1;
    if (start < this.#state.compactRevision) throw compacted(start, this.#state.compactRevision);
    const group = this.#join(options.keyspace, range);
    this.#count += 1;
    const cursor = new WatchCursor({
      read: () => this.#state,
      leave: () => this.#leave(group, cursor),
      wait: () => void group.waiting.add(cursor),
      share: (batches) => this.#share(group, options.prevKv ?? false, batches),
      query: { keyspace: options.keyspace, range, prevKv: options.prevKv ?? false },
      start,
      floor: options.startRevision || this.#state.revision,
      onReady,
    });
    if (start > this.#state.revision) cursor.fallAsleep();
    return cursor;
  }

  /** A record was written; the watchers hear of it at the next flush(). */
  note(address: number): void {
    const heap = this.#state.heap;
    const space = this.#spaces.get(heap.keyspace(address));
    if (!space) return;
    const key = heap.keyText(address);
    const revision = heap.modRevision(address);
    const group = space.keys.get(key);
    if (group && group.waiting.size > 0) this.#wake(group, revision);
    if (space.ranges.size === 0) return;
    space.ranges.visit(key, (meant) => {
      if (meant.waiting.size > 0) this.#wake(meant, revision);
    });
  }

  /** Tells those that were woken since the last time. The state is between two entries. */
  flush(): void {
    if (this.#woken.length === 0) return;
    const woken = this.#woken;
    this.#woken = [];
    for (const cursor of woken) cursor.tell();
  }

  /**
   * The state was replaced: everybody reads on from it, where it is ahead of what they have read.
   */
  replaceState(state: StoreState): void {
    const revision = this.#state.revision + 1;
    this.#state = state;
    this.#shared.clear();
    for (const space of this.#spaces.values()) {
      for (const group of space.keys.values()) this.#wakeAll(group, revision);
      for (const group of space.ranges.values()) this.#wakeAll(group, revision);
    }
    this.flush();
  }

  #wakeAll(group: WatchGroup, revision: number): void {
    for (const cursor of group.waiting) {
      if (this.#state.revision < revision) continue;
      if (cursor.wake(revision, this.#state.revision)) {
        group.waiting.delete(cursor);
        this.#woken.push(cursor);
      }
    }
  }

  #wake(group: WatchGroup, revision: number): void {
    for (const cursor of group.waiting) {
      if (!cursor.wake(revision, revision)) continue;
      group.waiting.delete(cursor);
      this.#woken.push(cursor);
    }
  }

  /** Watchers of the same range get the same objects. */
  #share(
    group: WatchGroup,
    prevKv: boolean,
    batches: readonly WatchBatch[],
  ): readonly WatchBatch[] {
    if (group.count === 1) return batches;
    const kind = `${group.number}${prevKv ? '+' : ''}`;
    this.#shared.compactedTo(this.#state.compactRevision);
    return batches.map((batch) => this.#shared.share(kind, batch));
  }

  #join(keyspace: number, range: KeyRange): WatchGroup {
    let space = this.#spaces.get(keyspace);
    if (!space) {
      space = { keys: new Map(), ranges: new IntervalSet() };
      this.#spaces.set(keyspace, space);
    }
    let group = range.single ? space.keys.get(range.lo) : space.ranges.get(range);
    if (!group) {
      this.#groupCount += 1;
      group = { number: this.#groupCount, keyspace, range, waiting: new Set(), count: 0 };
      if (range.single) space.keys.set(range.lo, group);
      else space.ranges.add(range, group);
    }
    group.count += 1;
    return group;
  }

  #leave(group: WatchGroup, cursor: WatchCursor): void {
    this.#count -= 1;
    group.waiting.delete(cursor);
    group.count -= 1;
    if (group.count > 0) return;
    const space = this.#spaces.get(group.keyspace);
    if (group.range.single) space?.keys.delete(group.range.lo);
    else space?.ranges.delete(group.range);
    if (space && space.keys.size + space.ranges.size === 0) this.#spaces.delete(group.keyspace);
  }
}

type CursorParts = {
  readonly read: () => StoreState;
  readonly leave: () => void;
  readonly wait: () => void;
  readonly share: (batches: readonly WatchBatch[]) => readonly WatchBatch[];
  readonly query: {
    readonly keyspace: number;
    readonly range: KeyRange;
    readonly prevKv: boolean;
  };
  readonly start: number;
  readonly floor: number;
  readonly onReady: () => void;
};

export class WatchCursor {
  readonly #parts: CursorParts;
  /** The lowest revision that may hold an event not yet given. */
  #from: number;
  /** Everything up to the current revision is given; the hub knows to wake us. */
  #asleep = false;
  #closed = false;

  constructor(parts: CursorParts) {
    this.#parts = parts;
    this.#from = parts.start;
  }

  /**
   * The next revisions that have events for this watcher, about `limit` events or 64 KiB in all;
   * empty when there are none now. Watchers of one range are given the same objects. Throws
   * `compacted` when a compaction has overtaken the cursor.
   */
  next(limit: number): readonly WatchBatch[] {
    if (this.#asleep || this.#closed) return [];
    const state = this.#parts.read();
    if (this.#from < state.compactRevision) throw compacted(this.#from, state.compactRevision);
    if (this.#from > state.revision) {
      this.fallAsleep();
      return [];
    }
    const { keyspace, range, prevKv } = this.#parts.query;
    const { batches, until } = readHistory(state, {
      keyspace,
      range,
      prevKv,
      from: this.#from,
      eventsMax: limit,
      bytesMax: bytesPerReadMax,
      recordsMax: recordsPerReadMax,
    });
    this.#from = until;
    // Woken by whatever comes from here on, also while these batches are being passed on.
    if (until > state.revision) this.fallAsleep();
    return this.#parts.share(batches);
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
    const current = this.#parts.read().revision;
    const given = this.#asleep ? current : Math.min(current, this.#from - 1);
    return given >= this.#parts.floor ? (given as Revision) : undefined;
  }

  /** Ends the watch; next() answers nothing any more. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#parts.leave();
  }

  /** Waits for the hub. For the hub's and the cursor's own use. */
  fallAsleep(): void {
    this.#asleep = true;
    this.#parts.wait();
  }

  /**
   * An event at `from` or later may be there, `revision` being the newest; answers whether it is
   * ours.
   */
  wake(from: number, revision: number): boolean {
    if (revision < this.#parts.start) return false;
    this.#asleep = false;
    this.#from = Math.max(from, this.#parts.start);
    return true;
  }

  /** Calls onReady. For the hub's use. */
  tell(): void {
    if (!this.#closed) this.#parts.onReady();
  }
}

const compacted = (from: number, compactRevision: number): HoldfastError =>
  new HoldfastError(
    'compacted',
    `events from revision ${from} on are compacted away: read the keys again, ` +
      `then watch from revision ${compactRevision} or later`,
    { details: { compactRevision, startRevision: compactRevision } },
  );
