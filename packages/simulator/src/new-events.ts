// Reads what a store has reached before all others, right after it has applied it, for those who
// judge what clients and watchers are told later. Owns nothing but where it was read to.

import { assert } from '@holdfast/base/assert';
import { toText } from '@holdfast/base/bytes';
import type { KvStore } from '@holdfast/mvcc/kv-store';
import type { WatchEvent } from '@holdfast/mvcc/watch-history';
import type { ClientRecord } from './client-record.ts';
import type { HappenedEvent } from './judges/event-history.ts';
import { keyspace } from './workload.ts';

const eventsPerRead = 256;
const allKeys = { key: new Uint8Array(0), rangeEnd: new Uint8Array([0]) };

export class NewEvents {
  readonly #record: ClientRecord;

  constructor(record: ClientRecord) {
    this.#record = record;
  }

  /** Throws a Violation where a revision is missing. */
  read(store: KvStore): void {
    const { events } = this.#record;
    if (store.revision <= events.last) return;
    const startRevision = events.last + 1;
    const cursor = store.watch({ keyspace, ...allKeys, startRevision }, () => undefined);
    while (events.last < store.revision) {
      const batches = cursor.next(eventsPerRead);
      assert(batches.length > 0 || cursor.behind, 'a store tells the events of its revisions');
      for (const batch of batches)
        this.#record.happened(batch.revision, batch.events.map(toHappened));
    }
    cursor.close();
  }
}

const toHappened = (event: WatchEvent): HappenedEvent => ({
  type: event.type,
  key: toText(event.kv.key),
  value: toText(event.kv.value),
  text: textOf(event),
});

/** All that a watcher is told of an event. */
export const textOf = ({ type, kv }: Pick<WatchEvent, 'type' | 'kv'>): string =>
  `${type} ${toText(kv.key)} ${toText(kv.value)} ${kv.modRevision} ${kv.version}`;
