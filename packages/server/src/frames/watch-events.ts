// What a watch tells its client, as bytes. A crowd that is told the same of one revision shares
// them; a revision that is long goes in parts, each made when it is asked for, because nobody may
// hold the memory of all.
import type { WatchEvent as EngineEvent, WatchItem } from '@holdfast/engine/engine';
import { type WatchEvent, WatchEvents } from '@holdfast/proto/client';
import { encode } from '@holdfast/proto/encode';

export type EventsItem = Extract<WatchItem, { readonly type: 'events' }>;

/** A part ends with the event with which it has so many bytes of keys and values. */
const partBytesAim = 256 * 1024;
/** What an event takes beside its keys and values, at the most. */
const eventBytes = 96;

export class EncodedEvents {
  /** By the events, which the store shares among watchers of one range. */
  readonly #known = new WeakMap<readonly EngineEvent[], Uint8Array>();

  /** Encoded WatchEvents; all of a revision that is not long in one. */
  *partsOf({ events, revision }: EventsItem): Generator<Uint8Array, void, void> {
    const known = this.#known.get(events);
    if (known) {
      yield known;
      return;
    }
    for (let from = 0; from < events.length; ) {
      const until = endOfPart(events, from);
      const hasMore = until < events.length;
      const part = encode(WatchEvents, {
        revision,
        events: (hasMore || from > 0 ? events.slice(from, until) : events).map(toProto),
        hasMore,
      });
      if (from === 0 && !hasMore) this.#known.set(events, part);
      yield part;
      from = until;
    }
  }
}

function endOfPart(events: readonly EngineEvent[], from: number): number {
  let bytes = 0;
  for (let at = from; at < events.length; at += 1) {
    const { kv, prevKv } = events[at] as EngineEvent;
    bytes += eventBytes + kv.key.length + kv.value.length;
    if (prevKv) bytes += prevKv.key.length + prevKv.value.length;
    if (bytes >= partBytesAim) return at + 1;
  }
  return events.length;
}

const toProto = ({ type, kv, prevKv }: EngineEvent): WatchEvent => ({
  isDelete: type === 'delete',
  kv,
  prevKv,
});
