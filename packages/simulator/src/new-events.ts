// Reads what a store has reached before all others, right after it has applied it, for those who
// judge what clients and watchers are told later. Owns which leases were there when it last looked.
import { toText } from '@holdfast/base/bytes';
import { accessKeyspace } from '@holdfast/domain/access-key';
import type { KvStore } from '@holdfast/mvcc/kv-store';
import type { WatchEvent } from '@holdfast/mvcc/watch-history';
import type { ClientRecord } from './client-record.ts';
import type { EventQueue } from './event-queue.ts';
import type { AccessEvent } from './judges/access-safety.ts';
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
    const ofClients = eventsOf(store, keyspace, events.last + 1);
    const ofRules = eventsOf(store, accessKeyspace, events.last + 1);
    for (let at = events.last + 1; at <= store.revision; at += 1) {
      const changed = ofRules.get(at);
      if (changed) this.#record.rulesChanged(at, changed.map(toAccessEvent));
      else this.#happened(at, (ofClients.get(at) ?? []).map(toHappened));
    }
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

/** All through the last revision, by their revisions. */
function eventsOf(store: KvStore, space: number, from: number) {
  const found = new Map<number, readonly WatchEvent[]>();
  const request = { keyspace: space, ...allKeys, startRevision: from };
  const cursor = store.watch(request, () => undefined);
  while (cursor.behind) {
    for (const { revision, events } of cursor.next(eventsPerRead)) found.set(revision, events);
  }
  cursor.close();
  return found;
}

const toAccessEvent = ({ type, kv }: WatchEvent): AccessEvent => ({
  key: kv.key.slice(),
  value: type === 'put' ? kv.value.slice() : undefined,
});

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
