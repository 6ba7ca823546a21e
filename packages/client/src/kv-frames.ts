// The key-value calls as frames carry them, and what their answers mean. A call without a form here
// (undefined) goes over HTTP, where the member says what is wrong with it.
import { concatBytes, emptyBytes, toText, utf8 } from '@holdfast/base/bytes';
import { HoldfastError } from '@holdfast/base/errors';
import { conditionalTxn, conditionFailed, deletedBy } from '@holdfast/domain/condition';
import {
  compareModRevision,
  deleteOperation,
  deleteRangeRequest,
  type KeyRange,
  putOperation,
  putRequest,
  rangeRequest,
} from '@holdfast/domain/requests';
import { prefixRange } from '@holdfast/domain/txn-json';
import type { Response, WatchEvent } from '@holdfast/proto/client';
import type { KeyValue, RequestOp } from '@holdfast/proto/internal';

import type { ReadOptions } from './config-api.ts';
import type { FrameRequest } from './frame-calls.ts';
import { ageOf, areNatural, idOf, ownBytes, readFrame, writeFrame } from './frame-forms.ts';
import type { FrameWatchOrder } from './frame-watches.ts';
import type {
  KvChange,
  KvItem,
  KvListOptions,
  KvPage,
  KvPutOptions,
  KvValue,
  KvWatchOptions,
  KvWriteOptions,
} from './kv-api.ts';
import { decodeCursor, encodeCursor } from './list-cursor.ts';

/** Of the clients' keyspace, which they need not name. */
export const keyspace = 0;
/** As over HTTP. */
const listLimitDefault = 100;
const listLimitMax = 1000;
/** A watch says so often at least that it lives, as over HTTP. */
const progressMs = 15_000;

type ListOptions = KvListOptions & {
  readonly limit?: number | undefined;
  readonly cursor?: string | undefined;
};

export function putFrame(
  key: string,
  value: Uint8Array,
  { ifRevision, lease: text }: KvPutOptions,
): FrameRequest | undefined {
  const range = rangeOf(key);
  const lease = text === undefined ? 0n : idOf(text);
  if (!range || lease === undefined) return undefined;
  if (ifRevision !== undefined) {
    return conditional(range, ifRevision, putOperation(range, value, lease));
  }
  const request = putRequest(range, value);
  request.lease = lease;
  return writeFrame({ $case: 'put', value: request });
}

export function deleteFrame(key: string, { ifRevision }: KvWriteOptions): FrameRequest | undefined {
  const range = rangeOf(key);
  if (!range) return undefined;
  if (ifRevision !== undefined) return conditional(range, ifRevision, deleteOperation(range));
  return writeFrame({ $case: 'deleteRange', value: deleteRangeRequest(range) });
}

export function getFrame(
  key: string,
  options: ReadOptions & { readonly revision?: number | undefined },
): FrameRequest | undefined {
  const range = rangeOf(key);
  const { revision = 0 } = options;
  if (!range || !areNatural(revision)) return undefined;
  return readFrame({ $case: 'range', value: rangeRequest(range, { revision }) }, options);
}

/** All pages are read at the revision of the first, which the cursor names. */
export function listFrame(options: ListOptions): FrameRequest | undefined {
  const { prefix = '', keysOnly = false, limit = listLimitDefault, cursor: text } = options;
  if (!areNatural(limit) || limit < 1 || limit > listLimitMax) return undefined;
  const range = prefixRange(prefix, keyspace);
  const list = (parts: KeyRange, revision: number) => ({
    $case: 'list' as const,
    value: { range: rangeRequest(parts, { limit, revision, keysOnly }) },
  });
  if (text === undefined) return readFrame(list(range, 0), options);
  const cursor = decodeCursor(text);
  if (!cursor) return undefined;
  const { revision, from } = cursor;
  const fresh = { consistency: 'stale', minRevision: revision } as const;
  return readFrame(list({ ...range, key: from }, revision), fresh);
}

/** Undefined: not one of the two is named, or both. */
export function watchOrderOf({ key, prefix }: KvWatchOptions): FrameWatchOrder | undefined {
  if ((key === undefined) === (prefix === undefined)) return undefined;
  const range = key === undefined ? prefixRange(prefix as string, keyspace) : rangeOf(key);
  if (!range) return undefined;
  return {
    keyspace,
    key: range.key,
    rangeEnd: range.rangeEnd ?? emptyBytes,
    startRevision: 0,
    prevKv: false,
    minRevision: 0,
    maxAgeMs: 0,
    progressMs,
  };
}

/** That its condition did not hold is a refusal of a write, as over HTTP. */
export function refusedBy(
  { ifRevision }: KvWriteOptions,
  { response: said }: Response,
): HoldfastError | undefined {
  if (said?.$case === 'txn' && !said.value.succeeded) {
    const wanted = ifRevision === 0 ? 'absent' : `revision is ${ifRevision}`;
    return conditionFailed(wanted, said.value);
  }
  if (said?.$case !== 'appliedBefore' || said.value.succeeded) return undefined;
  const text = 'its condition did not hold when it was tried';
  return new HoldfastError('failed-precondition', text);
}

export function deletionOf({ revision, response: said }: Response) {
  switch (said?.$case) {
    case 'deleteRange':
      return { revision, deleted: said.value.deleted };
    case 'txn':
      return { revision, deleted: deletedBy(said.value) };
    default:
      // That it was done before is all that is known of it, and only one with a condition is long.
      return { revision, deleted: 1 };
  }
}

export function keptValueOf(response: Response): KvValue | undefined {
  const { revision, response: said } = response;
  const kv = said?.$case === 'range' ? said.value.kvs[0] : undefined;
  if (!kv) return undefined;
  return {
    value: ownBytes(kv.value),
    createRevision: kv.createRevision,
    modRevision: kv.modRevision,
    version: kv.version,
    lease: leaseText(kv),
    revision,
    ageMs: ageOf(response),
  };
}

export function pageOf({ revision, response: said }: Response, { cursor }: ListOptions): KvPage {
  const { kvs, more } = said?.$case === 'range' ? said.value : { kvs: [], more: false };
  const last = kvs.at(-1);
  const at = (cursor === undefined ? undefined : decodeCursor(cursor)?.revision) ?? revision;
  const next = more && last ? { revision: at, from: concatBytes(last.key, zero) } : undefined;
  return { items: kvs.map(itemOf), revision, next: next && encodeCursor(next) };
}

export const changeOfEvents = (revision: number, events: readonly WatchEvent[]): KvChange => ({
  revision,
  events: events.flatMap(({ isDelete, kv }) =>
    kv ? [{ type: isDelete ? ('delete' as const) : ('put' as const), item: itemOf(kv) }] : [],
  ),
});

const zero = new Uint8Array(1);

function itemOf(kv: KeyValue): KvItem {
  return {
    key: toText(kv.key),
    keyBytes: ownBytes(kv.key),
    value: ownBytes(kv.value),
    createRevision: kv.createRevision,
    modRevision: kv.modRevision,
    version: kv.version,
    lease: leaseText(kv),
  };
}

const leaseText = ({ lease }: KeyValue): string | undefined =>
  lease === 0n ? undefined : lease.toString();

const rangeOf = (key: string): KeyRange | undefined =>
  key === '' ? undefined : { keyspace, key: utf8(key), rangeEnd: emptyBytes };

function conditional(
  range: KeyRange,
  ifRevision: number,
  operation: RequestOp,
): FrameRequest | undefined {
  if (!areNatural(ifRevision)) return undefined;
  const compare = compareModRevision(range, '=', ifRevision);
  return writeFrame({ $case: 'txn', value: conditionalTxn({ range, compare, operation }) });
}
