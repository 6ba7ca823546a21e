// The events of past revisions, read back from the records: the heap stands in revision order, so
// history needs no memory of its own, and every uncompacted revision is there for any watcher.
import type { Revision } from '@holdfast/base/ids';
import type { KeyValue } from '@holdfast/proto/internal';
import { type KeyRange, keyBytes } from './key-range.ts';
import { keyValue } from './range-reader.ts';
import type { StoreState } from './store-state.ts';

export type WatchEvent = {
  readonly type: 'put' | 'delete';
  /** For a delete: the key, and the delete's revision as modRevision; no value. */
  readonly kv: KeyValue;
  /** What the key was before; never known at the compact revision itself. */
  readonly prevKv: KeyValue | undefined;
};

/** All events of one revision that a watcher wants; never a part of them. */
export type WatchBatch = { readonly revision: Revision; readonly events: readonly WatchEvent[] };

/** Of keys and values: what whoever passes the event on has to work on. */
export const eventBytes = ({ kv, prevKv }: WatchEvent): number =>
  kv.key.length + kv.value.length + (prevKv === undefined ? 0 : prevKv.value.length);

export type HistoryQuery = {
  readonly keyspace: number;
  readonly range: KeyRange;
  readonly prevKv: boolean;
  /** The first revision wanted; compacted <= from <= current. */
  readonly from: number;
  /** Ends after the revision in which this many events are reached. */
  readonly eventsMax: number;
  /** Ends after the revision in which the events have this many bytes of keys and values. */
  readonly bytesMax: number;
  /** Ends after the revision in which this many records have been looked at. */
  readonly recordsMax: number;
};

export type HistoryAnswer = {
  readonly batches: readonly WatchBatch[];
  /** Every event below this revision is in the answer or was asked for before. */
  readonly until: number;
};

export function readHistory(state: StoreState, query: HistoryQuery): HistoryAnswer {
  const reader = new HistoryReader(state, query);
  if (query.range.single && state.revision - query.from < query.recordsMax) reader.readChain();
  else reader.readRevisions();
  return reader.answer();
}

class HistoryReader {
  readonly #state: StoreState;
  readonly #query: HistoryQuery;
  readonly #batches: WatchBatch[] = [];
  #events: WatchEvent[] = [];
  #eventCount = 0;
  #bytes = 0;
  #until: number;

  constructor(state: StoreState, query: HistoryQuery) {
    this.#state = state;
    this.#query = query;
    this.#until = query.from;
  }

  answer(): HistoryAnswer {
    return { batches: this.#batches, until: this.#until };
  }

  /** One key, not far behind: its own versions, instead of everybody's revisions. */
  readChain(): void {
    const { heap, revision } = this.#state;
    const addresses: number[] = [];
    let address = this.#state.newest(this.#query.keyspace, keyBytes(this.#query.range.lo));
    while (address !== 0 && heap.modRevision(address) >= this.#query.from) {
      addresses.push(address);
      address = heap.previous(address);
    }
    for (let n = addresses.length - 1; n >= 0; n -= 1) {
      if (this.#isFull) return;
      this.#add(addresses[n] as number);
      this.#closeRevision(heap.modRevision(addresses[n] as number));
    }
    this.#until = revision + 1;
  }

  readRevisions(): void {
    const { heap, revision } = this.#state;
    const first = Math.max(this.#query.from, this.#state.revisions.first);
    let address = first > revision ? 0 : this.#state.revisions.address(first);
    let seen = 0;
    for (let at = first; at <= revision; at += 1) {
      if (this.#isFull || seen >= this.#query.recordsMax) return;
      while (address !== 0 && heap.modRevision(address) === at) {
        if (this.#wants(address)) this.#add(address);
        seen += 1;
        address = heap.following(address);
      }
      this.#closeRevision(at);
    }
    this.#until = revision + 1;
  }

  get #isFull(): boolean {
    return this.#eventCount >= this.#query.eventsMax || this.#bytes >= this.#query.bytesMax;
  }

  #wants(address: number): boolean {
    const heap = this.#state.heap;
    const { keyspace, range } = this.#query;
    if (heap.keyspace(address) !== keyspace) return false;
    if (range.single) return heap.compareKey(address, range.lo) === 0;
    if (heap.compareKey(address, range.lo) < 0) return false;
    return range.hi === undefined || heap.compareKey(address, range.hi) < 0;
  }

  #add(address: number): void {
    const deleted = this.#state.heap.isTombstone(address);
    const event: WatchEvent = {
      type: deleted ? 'delete' : 'put',
      kv: keyValue(this.#state, address, deleted),
      prevKv: this.#query.prevKv ? this.#before(address) : undefined,
    };
    this.#events.push(event);
    this.#eventCount += 1;
    this.#bytes += eventBytes(event);
  }

  /** At the compact revision the older version is gone, whether or not its bytes still stand. */
  #before(address: number): KeyValue | undefined {
    const { heap, compactRevision } = this.#state;
    const previous = heap.previous(address);
    if (heap.modRevision(address) <= compactRevision) return undefined;
    if (previous === 0 || heap.isTombstone(previous)) return undefined;
    return keyValue(this.#state, previous);
  }

  #closeRevision(at: number): void {
    this.#until = at + 1;
    if (this.#events.length === 0) return;
    this.#batches.push({ revision: at as Revision, events: this.#events });
    this.#events = [];
  }
}
