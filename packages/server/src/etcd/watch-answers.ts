// What watchers are answered, as bytes. The events of a transaction are encoded once for all who
// watch the same, on whatever stream; who is told it under the same id gets the very same bytes.
import type {
  ResponseHeader as EngineHeader,
  WatchBatch,
  WatchEvent,
} from '@holdfast/engine/engine';
import { encode } from '@holdfast/proto/encode';
import {
  type ResponseHeader,
  WatchCreateRequest_FilterType,
  WatchResponse,
} from '@holdfast/proto/etcd';
import { type Event, Event_EventType } from '@holdfast/proto/etcd-kv';

import { messageHeadBytes } from '../grpc/message-parser.ts';
import { type FramedMessage, framed, withLength } from '../grpc/method.ts';
import { headerOf } from './response-header.ts';

/** What a watcher does not want to be told: 1 puts, 2 deletes. */
export type EventFilter = 0 | 1 | 2 | 3;

/** To whom, and of what. */
export type Watched = { readonly id: bigint; readonly filter: EventFilter };

/** That which names no watcher. */
export const noWatchId = -1n;

type SharedEvents = {
  /** Each a field of the answer. Empty: the watcher wants none of them. */
  readonly bytes: Uint8Array;
  /** The last answer that was made of these alone. */
  last:
    | { readonly id: bigint; readonly header: Uint8Array; readonly answer: FramedMessage }
    | undefined;
};

type Header = { readonly revision: number; readonly term: number; readonly bytes: Uint8Array };

/** No spread: one is made for each event that happens. */
const fieldsOf = (
  header: ResponseHeader | undefined,
  events: Event[],
  watchId = 0n,
): WatchResponse => ({
  header,
  watchId,
  created: false,
  canceled: false,
  compactRevision: 0,
  cancelReason: '',
  fragment: false,
  events,
});

/** What an event weighs beside its keys and values, at the most: numbers, tags, lengths. */
const eventOverheadBytes = 128;

export class WatchAnswers {
  /** By the events, which the store shares among watchers of one range, and the filter. */
  readonly #shared = new WeakMap<readonly WatchEvent[], (SharedEvents | undefined)[]>();
  #header: Header | undefined;

  /** An answer without events. */
  control(header: EngineHeader, more: Partial<WatchResponse>): FramedMessage {
    return framed(WatchResponse, { ...fieldsOf(headerOf(header), []), ...more });
  }

  /** All events of the batches in one answer; undefined where the watcher wants none of them. */
  events(
    to: Watched,
    batches: readonly WatchBatch[],
    header: EngineHeader,
  ): FramedMessage | undefined {
    const head = this.#headerBytes(header, (batches.at(-1) as WatchBatch).revision);
    if (batches.length === 1) return this.#lone(to, batches[0] as WatchBatch, head);
    const parts = [head, idField(to.id)];
    for (const { events } of batches) {
      const { bytes } = this.#sharedOf(events, to.filter);
      if (bytes.length > 0) parts.push(bytes);
    }
    return parts.length > 2 ? joined(parts) : undefined;
  }

  /**
   * As events(), in answers of about so many bytes, one event at least in each; all but the last
   * say that there is more of it. Made one at a time.
   */
  *fragments(
    to: Watched,
    batches: readonly WatchBatch[],
    { header, bytesMax }: { readonly header: EngineHeader; readonly bytesMax: number },
  ): Generator<FramedMessage, void, void> {
    const head = this.#headerBytes(header, (batches.at(-1) as WatchBatch).revision);
    const start = [head, idField(to.id)];
    const startBytes = messageHeadBytes + head.length + isFragment.length;
    let parts = [...start];
    let bytes = startBytes;
    for (const event of wantedOf(
      batches.flatMap(({ events }) => events),
      to.filter,
    )) {
      const field = encode(WatchResponse, fieldsOf(undefined, [eventOf(event)]));
      if (parts.length > start.length && bytes + field.length > bytesMax) {
        yield joined([...parts, isFragment]);
        parts = [...start];
        bytes = startBytes;
      }
      parts.push(field);
      bytes += field.length;
    }
    if (parts.length > start.length) yield joined(parts);
  }

  #lone(to: Watched, { events }: WatchBatch, header: Uint8Array): FramedMessage | undefined {
    const shared = this.#sharedOf(events, to.filter);
    if (shared.bytes.length === 0) return undefined;
    const { last } = shared;
    if (last?.id === to.id && last.header === header) return last.answer;
    const answer = joined([header, idField(to.id), shared.bytes]);
    shared.last = { id: to.id, header, answer };
    return answer;
  }

  #sharedOf(events: readonly WatchEvent[], filter: EventFilter): SharedEvents {
    let known = this.#shared.get(events);
    if (!known) {
      known = [];
      this.#shared.set(events, known);
    }
    let shared = known[filter];
    if (!shared) {
      const wanted = wantedOf(events, filter).map(eventOf);
      shared = { bytes: encode(WatchResponse, fieldsOf(undefined, wanted)), last: undefined };
      known[filter] = shared;
    }
    return shared;
  }

  /** The same bytes for the same revision, as most answers that follow each other have it. */
  #headerBytes(of: EngineHeader, revision: number): Uint8Array {
    const known = this.#header;
    if (known?.revision === revision && known.term === of.term) return known.bytes;
    const { clusterId, memberId, term } = of;
    const header = { clusterId, memberId, revision, raftTerm: term };
    const bytes = encode(WatchResponse, fieldsOf(header, []));
    this.#header = { revision, term: of.term, bytes };
    return bytes;
  }
}

/** At the most, of an answer with all of them. */
export function answerBytes(batches: readonly WatchBatch[]): number {
  let bytes = 0;
  for (const { events } of batches) {
    for (const { kv, prevKv } of events) {
      const before = prevKv ? prevKv.key.length + prevKv.value.length : 0;
      bytes += eventOverheadBytes + kv.key.length + kv.value.length + before;
    }
  }
  return bytes;
}

/** By what a client asks not to be told. */
export function filterOf(filters: readonly WatchCreateRequest_FilterType[]): EventFilter {
  const isWithoutPuts = filters.includes(WatchCreateRequest_FilterType.NOPUT);
  const isWithoutDeletes = filters.includes(WatchCreateRequest_FilterType.NODELETE);
  return ((isWithoutPuts ? 1 : 0) + (isWithoutDeletes ? 2 : 0)) as EventFilter;
}

function wantedOf(events: readonly WatchEvent[], filter: EventFilter): readonly WatchEvent[] {
  if (filter === 0) return events;
  return events.filter(({ type }) => (filter & (type === 'put' ? 1 : 2)) === 0);
}

const eventOf = ({ type, kv, prevKv }: WatchEvent): Event => ({
  type: type === 'put' ? Event_EventType.PUT : Event_EventType.DELETE,
  kv,
  prevKv,
});

const isFragment = encode(WatchResponse, { ...fieldsOf(undefined, []), fragment: true });

/** Most ids are small ones. */
const knownIds: (Uint8Array | undefined)[] = [];
const knownIdsMax = 1024n;

function idField(id: bigint): Uint8Array {
  if (id < 0n || id >= knownIdsMax) return encode(WatchResponse, fieldsOf(undefined, [], id));
  const at = Number(id);
  const field = knownIds[at] ?? encode(WatchResponse, fieldsOf(undefined, [], id));
  knownIds[at] = field;
  return field;
}

/** Fields of one message behind a head. */
function joined(parts: readonly Uint8Array[]): FramedMessage {
  let length = messageHeadBytes;
  for (const part of parts) length += part.length;
  const message = Buffer.allocUnsafe(length);
  message[0] = 0; // Not compressed.
  let at = messageHeadBytes;
  for (const part of parts) {
    message.set(part, at);
    at += part.length;
  }
  return withLength(message);
}
