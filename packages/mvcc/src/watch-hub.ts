// Who watches what (safety.md 22). A watcher is a cursor: it pulls events from the store's history
// and costs nothing while it is slow. One that has read everything waits with its range, and a
// mutation wakes only those whose range holds the key; one that is awake already is not looked at
// again.
import { HoldfastError } from '@holdfast/base/errors';
import { IntervalSet } from './interval-set.ts';
import { isEmptyRange, type KeyRange, keyRange } from './key-range.ts';
import { SharedBatches } from './shared-batches.ts';
import type { StoreState } from './store-state.ts';
import {
  type CursorHub,
  compacted,
  type LastRead,
  WatchCursor,
  type WatchGroup,
} from './watch-cursor.ts';
import { type HistoryAnswer, type HistoryQuery, readHistory } from './watch-history.ts';

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

type WatchedSpace = {
  readonly keys: Map<string, WatchGroup>;
  readonly ranges: IntervalSet<WatchGroup>;
};

/** How many records one next() looks at before it lets others run. */
const recordsPerReadMax = 2048;
/** Bytes of keys and values after which next() answers with what it has. */
const bytesPerReadMax = 64 * 1024;
/** Groups whose last read is remembered: those that an event or two has woken. */
const lastReadsMax = 256;

export class WatchHub implements CursorHub {
  readonly #spaces = new Map<number, WatchedSpace>();
  #state: StoreState;
  #woken: WatchCursor[] = [];
  #count = 0;
  #groupCount = 0;
  readonly #shared = new SharedBatches();
  /** Those that remember their last read, the oldest first from `#nextForgotten` on. */
  readonly #rememberers: WatchGroup[] = [];
  #nextForgotten = 0;
  #compactRevision = 0;

  constructor(state: StoreState) {
    this.#state = state;
  }

  get count(): number {
    return this.#count;
  }

  get state(): StoreState {
    return this.#state;
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
    const cursor = new WatchCursor(this, {
      group,
      prevKv: options.prevKv ?? false,
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
    this.#forgetAll();
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

  /**
   * A crowd that an event has woken reads the same, one after the other: the first one reads. What
   * it was given is right for all of them, however far the store has come meanwhile.
   */
  read({ group, prevKv }: WatchCursor, from: number, eventsMax: number): HistoryAnswer {
    if (group.count === 1) return this.#readHistory(group, { prevKv, from, eventsMax });
    this.#forgetCompacted();
    const last = prevKv ? group.lastReadWithPrev : group.lastRead;
    if (last?.from === from && last.eventsMax === eventsMax) return last.answer;
    const { batches, until } = this.#readHistory(group, { prevKv, from, eventsMax });
    const kind = `${group.number}${prevKv ? '+' : ''}`;
    const answer = { batches: batches.map((batch) => this.#shared.share(kind, batch)), until };
    this.#remember(group, prevKv, { from, eventsMax, answer });
    return answer;
  }

  wait(cursor: WatchCursor): void {
    cursor.group.waiting.add(cursor);
  }

  leave(cursor: WatchCursor): void {
    const { group } = cursor;
    this.#count -= 1;
    group.waiting.delete(cursor);
    group.count -= 1;
    if (group.count > 0) return;
    const space = this.#spaces.get(group.keyspace);
    if (group.range.single) space?.keys.delete(group.range.lo);
    else space?.ranges.delete(group.range);
    if (space && space.keys.size + space.ranges.size === 0) this.#spaces.delete(group.keyspace);
  }

  #readHistory(
    { keyspace, range }: WatchGroup,
    read: Pick<HistoryQuery, 'prevKv' | 'from' | 'eventsMax'>,
  ): HistoryAnswer {
    return readHistory(this.#state, {
      keyspace,
      range,
      prevKv: read.prevKv,
      from: read.from,
      eventsMax: read.eventsMax,
      bytesMax: bytesPerReadMax,
      recordsMax: recordsPerReadMax,
    });
  }

  #remember(group: WatchGroup, prevKv: boolean, last: LastRead): void {
    if (prevKv) group.lastReadWithPrev = last;
    else group.lastRead = last;
    const forgotten = this.#rememberers[this.#nextForgotten];
    if (forgotten && forgotten !== group) forgetReads(forgotten);
    this.#rememberers[this.#nextForgotten] = group;
    this.#nextForgotten = (this.#nextForgotten + 1) % lastReadsMax;
  }

  /** Compacted records are not held back, and what was before them is not known any more. */
  #forgetCompacted(): void {
    const { compactRevision } = this.#state;
    if (compactRevision === this.#compactRevision) return;
    this.#compactRevision = compactRevision;
    this.#forgetAll();
  }

  #forgetAll(): void {
    this.#shared.clear();
    for (const group of this.#rememberers.splice(0)) forgetReads(group);
    this.#nextForgotten = 0;
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
      group = newGroup(this.#groupCount, keyspace, range);
      if (range.single) space.keys.set(range.lo, group);
      else space.ranges.add(range, group);
    }
    group.count += 1;
    return group;
  }
}

const newGroup = (number: number, keyspace: number, range: KeyRange): WatchGroup => ({
  number,
  keyspace,
  range,
  waiting: new Set(),
  count: 0,
  lastRead: undefined,
  lastReadWithPrev: undefined,
});

function forgetReads(group: WatchGroup): void {
  group.lastRead = undefined;
  group.lastReadWithPrev = undefined;
}
