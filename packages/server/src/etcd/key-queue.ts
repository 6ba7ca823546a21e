// Places in a queue, as etcd's own library makes them of keys: one key a lease below the queue's
// name, and whoever's was created first is in front. A place ends with its lease, so that nobody
// waits for one who is gone. Locks and elections are such queues.
import { concatBytes, prefixEnd, utf8 } from '@holdfast/base/bytes';
import type { Clock } from '@holdfast/base/clock';
import { startDeadline } from '@holdfast/base/deadline';
import { HoldfastError, isHoldfastError } from '@holdfast/base/errors';
import type { Revision } from '@holdfast/base/ids';
import {
  compareAbsent,
  deleteOperation,
  type KeyRange,
  putOperation,
  rangeRequest,
  txnRequest,
} from '@holdfast/domain/requests';
import type { Answer, Engine, ResponseHeader } from '@holdfast/engine/engine';
import type { Compare, KeyValue, RequestOp, TxnResponse } from '@holdfast/proto/internal';

import type { GrpcCall } from '../grpc/method.ts';
import { kvKeyspace } from '../http/kv-view.ts';

export type QueueOptions = {
  readonly clock: Clock;
  /** Throws while there is none. */
  readonly engine: () => Engine;
};

export type Place = {
  readonly key: Uint8Array;
  /** At which the key was created: another one under the same name is another place. */
  readonly createRevision: bigint;
};

export type Entered = {
  readonly place: Place;
  readonly header: ResponseHeader;
  /** What the place holds, where the lease had it before. */
  readonly held: Uint8Array | undefined;
};

/** A place that is given up is gone within this long, or with its lease. */
const leaveMs = 5000;

export class KeyQueue {
  readonly #options: QueueOptions;
  /** Of all its places. */
  readonly range: KeyRange;

  constructor(name: Uint8Array, options: QueueOptions) {
    this.#options = options;
    const key = concatBytes(name, utf8('/'));
    this.range = { keyspace: kvKeyspace, key, rangeEnd: prefixEnd(key) };
  }

  /** The place of a lease: the one that it has, or the last of all. Throws as a put does. */
  async enter(lease: bigint, value: Uint8Array, call: GrpcCall): Promise<Entered> {
    const key = concatBytes(this.range.key, utf8(lease.toString(16)));
    const request = txnRequest({
      compare: [compareAbsent(at(key))],
      success: [putOperation(at(key), value, lease)],
      failure: [{ request: { $case: 'range', value: rangeRequest(at(key)) } }],
    });
    const { header, body } = await this.#engine.txn(request, call);
    const before = body.succeeded ? undefined : keyIn(body);
    const createRevision = BigInt(before?.createRevision ?? header.revision);
    return { place: { key, createRevision }, header, held: before?.value };
  }

  /** Until nobody is in front any more; `gone`: the place itself is, with its lease or by hand. */
  async untilFirst(
    place: Place,
    since: Revision,
    call: GrpcCall,
  ): Promise<'at once' | 'later' | 'gone'> {
    for (let seen = since, looks = 1; ; looks += 1) {
      const { before, isThere, revision } = await this.#look(place, seen, call);
      if (!isThere) return 'gone';
      if (!before) return looks === 1 ? 'at once' : 'later';
      await this.#untilDeleted([before.key, place.key], revision, call);
      seen = revision;
    }
  }

  /** Whether the place is there, whatever any member has done; with the header of the answer. */
  async confirm(
    { key, createRevision }: Place,
    call: GrpcCall,
  ): Promise<ResponseHeader | undefined> {
    const { header, body } = await this.#engine.range(
      rangeRequest(at(key), { keysOnly: true }),
      lookOf(call),
    );
    return BigInt(body.kvs[0]?.createRevision ?? 0) === createRevision ? header : undefined;
  }

  /** Who is in front of all. */
  async first(call: GrpcCall): Promise<Answer<KeyValue | undefined>> {
    const { header, body } = await this.#engine.range(rangeRequest(this.range), lookOf(call));
    return { header, body: extreme(body.kvs, (one, other) => one < other) };
  }

  /** Gives the place up, though the call may be over. Never throws: the lease ends it at last. */
  async leave(place: Place, call: GrpcCall): Promise<void> {
    const deadline = startDeadline(this.#options.clock, leaveMs);
    try {
      await changePlace(this.#engine, place, {
        operation: deleteOperation(at(place.key)),
        call: { ...call, signal: deadline.signal },
      });
    } catch {
      // As it says above.
    } finally {
      deadline.dispose();
    }
  }

  get #engine(): Engine {
    return this.#options.engine();
  }

  /** As this member knows it, at that revision or later: nobody comes to be in front afterwards. */
  async #look({ key, createRevision }: Place, minRevision: Revision, call: GrpcCall) {
    const consistency = { level: 'stale' } as const;
    const { header, body } = await this.#engine.range(
      rangeRequest(this.range, { keysOnly: true }),
      { ...lookOf(call), consistency, minRevision },
    );
    const inFront = body.kvs.filter((kv) => BigInt(kv.createRevision) < createRevision);
    const isThere = body.kvs.some(
      (kv) => Buffer.compare(kv.key, key) === 0 && BigInt(kv.createRevision) === createRevision,
    );
    const before = extreme(inFront, (one, other) => one > other);
    return { before, isThere, revision: header.revision };
  }

  /** One of the keys, after that revision. May resolve for nothing. */
  async #untilDeleted(keys: readonly Uint8Array[], since: Revision, call: GrpcCall): Promise<void> {
    const over = new AbortController();
    const signal = AbortSignal.any([call.signal, over.signal]);
    const waits = keys.map((key) => this.#deleted(key, since, { ...call, signal }));
    try {
      await Promise.race(waits);
    } finally {
      over.abort(new HoldfastError('cancelled', 'another one was deleted'));
      await Promise.allSettled(waits); // Nobody waits for the others any more.
    }
  }

  async #deleted(key: Uint8Array, since: Revision, call: GrpcCall): Promise<void> {
    const startRevision = (since + 1) as Revision;
    const request = { keyspace: kvKeyspace, key, rangeEnd: new Uint8Array(0), startRevision };
    try {
      for await (const item of await this.#engine.watch(request, call)) {
        if (item.type === 'events' && item.events.some(({ type }) => type === 'delete')) return;
      }
    } catch (error) {
      // What has happened since is forgotten: it is looked at anew.
      if (!isHoldfastError(error, 'compacted')) throw error;
    }
  }
}

/**
 * What is read of a queue is no answer: its client will read next to nothing of it, and would be
 * taken for one that does not read as long as it waits.
 */
const lookOf = (call: GrpcCall): GrpcCall => ({ ...call, room: undefined });

/** What is done to a place as long as it is that one; undefined: it is not. */
export async function changePlace(
  engine: Engine,
  { key, createRevision }: Place,
  { operation, call }: { readonly operation: RequestOp; readonly call: GrpcCall },
): Promise<{ readonly header: ResponseHeader; readonly succeeded: boolean }> {
  const isThat: Compare = {
    ...compareAbsent(at(key)),
    target: { $case: 'createRevision', value: createRevision },
  };
  const request = txnRequest({ compare: [isThat], success: [operation] });
  const { header, body } = await engine.txn(request, call);
  return { header, succeeded: body.succeeded };
}

export const at = (key: Uint8Array): KeyRange => ({ keyspace: kvKeyspace, key });

function keyIn({ responses }: TxnResponse): KeyValue | undefined {
  const [found] = responses;
  return found?.response?.$case === 'range' ? found.response.value.kvs[0] : undefined;
}

/** By the revisions at which they were created. */
function extreme(
  kvs: readonly KeyValue[],
  isBefore: (one: number, other: number) => boolean,
): KeyValue | undefined {
  let found: KeyValue | undefined;
  for (const kv of kvs) {
    if (!found || isBefore(kv.createRevision, found.createRevision)) found = kv;
  }
  return found;
}
