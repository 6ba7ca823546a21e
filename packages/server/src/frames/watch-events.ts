// What a watch tells its client of a revision, as bytes. A crowd that is told the same shares them;
// a revision that is long goes in parts, each made when it is told, because nobody may hold the
// memory of all.
import type { WatchEvent as EngineEvent, WatchBatch } from '@holdfast/engine/engine';
import { type WatchEvent, WatchEvents } from '@holdfast/proto/client';
import { encode } from '@holdfast/proto/encode';

/** A part ends with the event with which it has so many bytes of keys and values. */
const partBytesAim = 256 * 1024;
/** What an event takes beside its keys and values, at the most. */
const eventBytes = 96;

/** An encoded WatchEvents, and the first event that is not in it. */
export type EventsPart = { readonly bytes: Uint8Array; readonly until: number };

export class EncodedEvents {
  /** Whole revisions, by the events, which the store shares among watchers of one range. */
  readonly #known = new WeakMap<readonly EngineEvent[], EventsPart>();

  /** From that event on; all of a revision that is not long. */
  part({ revision, events }: WatchBatch, from: number): EventsPart {
    const known = from === 0 ? this.#known.get(events) : undefined;
    if (known) return known;
    const until = endOfPart(events, from);
    const isWhole = from === 0 && until === events.length;
    const told = isWhole ? events : events.slice(from, until);
    const hasMore = until < events.length;
    const bytes = encode(WatchEvents, { revision, events: told.map(toProto), hasMore });
    const part = { bytes, until };
    if (isWhole) this.#known.set(events, part);
    return part;
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
