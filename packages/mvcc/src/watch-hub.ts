// Who watches what (safety.md 22). A watcher is a cursor: it pulls events from the store's history
// and costs nothing while it is slow. One that has read everything waits with its range, and a
// mutation wakes only those whose range holds the key; one that is awake already is not looked at
// again, and one that begins later not before its revision has come.
import { HoldfastError } from '@holdfast/base/errors';
import { Fifo } from '@holdfast/base/fifo';
import { LinkedList } from '@holdfast/base/linked-list';
import { IntervalSet } from './interval-set.ts';
import { isEmptyRange, type KeyRange, keyRange } from './key-range.ts';
import { LaterCursors } from './later-cursors.ts';
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
  readonly #woken = new Fifo<WatchCursor>();
  readonly #later = new LaterCursors();
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
    if (this.#later.next <= revision) this.#begin(revision);
    const group = space.keys.get(key);
    if (group && group.waiting.length > 0) this.#wake(group, revision, revision);
    if (space.ranges.size === 0) return;
    space.ranges.visit(key, (meant) => {
      if (meant.waiting.length > 0) this.#wake(meant, revision, revision);
    });
  }

  /** Tells those that were woken since the last time. The state is between two entries. */
  flush(): void {
    this.#woken.drain(tell);
  }

  /**
   * The state was replaced: everybody reads on from it, where it is ahead of what they have read.
   */
  replaceState(state: StoreState): void {
    const revision = this.#state.revision + 1;
    this.#state = state;
    this.#forgetAll();
    this.#begin(state.revision);
    for (const space of this.#spaces.values()) {
      for (const group of space.keys.values()) this.#wakeAll(group, revision);
      for (const group of space.ranges.values()) this.#wakeAll(group, revision);
    }
    this.flush();
  }

  /** Those whose revision has come wait for the next event in their range. */
  #begin(revision: number): void {
    this.#later.take(revision, ({ group, link }) => {
      group.laterCount -= 1;
      group.waiting.add(link);
    });
  }

  #wakeAll(group: WatchGroup, revision: number): void {
    if (this.#state.revision >= revision) this.#wake(group, revision, this.#state.revision);
  }

  /** An event at `from` or later may be there for the group, `revision` being the newest. */
  #wake({ waiting }: WatchGroup, from: number, revision: number): void {
    waiting.each((cursor) => {
      if (!cursor.wake(from, revision)) return;
      waiting.remove(cursor.link);
      this.#woken.push(cursor);
    });
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
    const kind = kindOf(group, prevKv);
    const answer = { batches: batches.map((batch) => this.#shared.share(kind, batch)), until };
    this.#remember(group, prevKv, { from, eventsMax, answer });
    return answer;
  }

  wait(cursor: WatchCursor): void {
    const { group } = cursor;
    if (cursor.start > this.#state.revision + 1) {
      group.laterCount += 1;
      this.#later.add(cursor);
    } else group.waiting.add(cursor.link);
    // All of the crowd have it: what was kept for them would only grow old.
    const waiting = group.waiting.length + group.laterCount;
    if (waiting === group.count && waiting > 1) this.#forgetReads(group);
  }

  leave(cursor: WatchCursor): void {
    const { group } = cursor;
    this.#count -= 1;
    if (cursor.isLater) {
      group.laterCount -= 1;
      this.#later.delete(cursor);
    } else group.waiting.remove(cursor.link);
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

  #forgetReads(group: WatchGroup): void {
    const { lastRead, lastReadWithPrev } = group;
    if (lastRead) this.#shared.forget(kindOf(group, false), lastRead.answer.batches);
    if (lastReadWithPrev) this.#shared.forget(kindOf(group, true), lastReadWithPrev.answer.batches);
    forgetReads(group);
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
  waiting: new LinkedList(),
  count: 0,
  laterCount: 0,
  lastRead: undefined,
  lastReadWithPrev: undefined,
});

const kindOf = ({ number }: WatchGroup, prevKv: boolean): string => `${number}${prevKv ? '+' : ''}`;

function forgetReads(group: WatchGroup): void {
  group.lastRead = undefined;
  group.lastReadWithPrev = undefined;
}

const tell = (cursor: WatchCursor): void => cursor.tell();
