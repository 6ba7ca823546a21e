// Reads what a store has reached before all others, right after it has applied it, for those who
// judge what clients and watchers are told later. Owns which leases were there when it last looked.
import { assert } from '@holdfast/base/assert';
import { toText } from '@holdfast/base/bytes';
import type { KvStore } from '@holdfast/mvcc/kv-store';
import type { WatchEvent } from '@holdfast/mvcc/watch-history';
import type { ClientRecord } from './client-record.ts';
import type { EventQueue } from './event-queue.ts';
import type { HappenedEvent } from './judges/event-history.ts';
import { keyspace } from './key-requests.ts';
import { leasedPrefix } from './lease-clients.ts';

const eventsPerRead = 256;
const allKeys = { key: new Uint8Array(0), rangeEnd: new Uint8Array([0]) };

export class NewEvents {
  readonly #queue: EventQueue;
  readonly #record: ClientRecord;
  #leases: ReadonlySet<bigint> = new Set();
  #applied = 0;

  constructor(queue: EventQueue, record: ClientRecord) {
    this.#queue = queue;
    this.#record = record;
  }

  /** Throws a Violation. */
  read(store: KvStore): void {
    if (store.appliedIndex <= this.#applied) return;
    this.#applied = store.appliedIndex;
    this.#readEvents(store);
    this.#readLeases(store);
  }

  #readEvents(store: KvStore): void {
    const { events } = this.#record;
    if (store.revision <= events.last) return;
    const startRevision = events.last + 1;
    const cursor = store.watch({ keyspace, ...allKeys, startRevision }, () => undefined);
    while (events.last < store.revision) {
      const batches = cursor.next(eventsPerRead);
      assert(batches.length > 0 || cursor.behind, 'a store tells the events of its revisions');
      for (const { revision, events: happened } of batches) {
        this.#happened(revision, happened.map(toHappened));
      }
    }
    cursor.close();
  }

  #happened(revision: number, events: readonly HappenedEvent[]): void {
    this.#record.happened(revision, events);
    const leased = events.filter(({ key }) => key.startsWith(leasedPrefix));
    if (leased.length > 0) this.#record.leaseKeys.happened(revision, leased);
  }

  #readLeases({ leases }: KvStore): void {
    const present = new Set(leases.ids());
    for (const id of this.#leases) {
      if (present.has(id)) continue;
      this.#record.leases.ended(id, this.#queue.nowMs);
      this.#record.leaseKeys.ended(id);
    }
    this.#leases = present;
  }
}

const toHappened = (event: WatchEvent): HappenedEvent => ({
  type: event.type,
  key: toText(event.kv.key),
  value: toText(event.kv.value),
  lease: event.kv.lease,
  text: textOf(event),
});

/** All that a watcher is told of an event. */
export const textOf = ({ type, kv }: Pick<WatchEvent, 'type' | 'kv'>): string =>
  `${type} ${toText(kv.key)} ${toText(kv.value)} ${kv.modRevision} ${kv.version} ${kv.lease}`;
