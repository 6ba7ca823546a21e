// What etcd's Range can do beyond the engine's: filters by revision, and every order. Both need all
// keys of the range before the limit counts, as in etcd (server/etcdserver/apply, "Range").
import type { RangeRequest, RangeResponse, ResponseHeader } from '@holdfast/proto/etcd';
import { RangeRequest_SortOrder, RangeRequest_SortTarget } from '@holdfast/proto/etcd';
import type {
  RangeRequest as EngineRange,
  RangeResponse as EngineRangeResponse,
  KeyValue,
} from '@holdfast/proto/internal';

import { kvKeyspace } from '../http/kv-view.ts';
import { etcdStatus } from './etcd-status.ts';

const revisionMax = BigInt(Number.MAX_SAFE_INTEGER);
const sortOrders: ReadonlySet<number> = new Set(Object.values(RangeRequest_SortOrder));
const sortTargets: ReadonlySet<number> = new Set(Object.values(RangeRequest_SortTarget));

/** Throws a GrpcStatus where etcd refuses it. */
export function engineRange(request: RangeRequest): EngineRange {
  if (request.key.length === 0) throw etcdStatus('emptyKey');
  const { sortOrder, sortTarget } = request;
  if (!sortOrders.has(sortOrder) || !sortTargets.has(sortTarget)) throw etcdStatus('invalidSort');
  return {
    keyspace: kvKeyspace,
    key: request.key,
    rangeEnd: request.rangeEnd,
    limit: isPlain(request) ? naturalOf(request.limit) : 0,
    revision: revisionOf(request.revision),
    // Values are looked at where they are what is sorted by.
    keysOnly: request.keysOnly && sortTarget !== RangeRequest_SortTarget.VALUE,
    countOnly: request.countOnly,
  };
}

/** The engine's answer as etcd would give it. */
export function etcdRange(
  request: RangeRequest,
  answer: EngineRangeResponse,
  header: ResponseHeader,
): RangeResponse {
  const { count, more } = answer;
  if (isPlain(request)) return { header, kvs: answer.kvs, more, count };
  const kvs = answer.kvs.filter((kv) => isWithin(request, kv)).sort(orderOf(request));
  const { kvs: shown, more: isCut } = shownOf(request, kvs);
  return { header, kvs: request.keysOnly ? shown.map(withoutValue) : shown, more: isCut, count };
}

/** Of those that are asked for, in their order: what the answer has. */
export function shownOf(
  request: RangeRequest,
  kvs: KeyValue[],
): { readonly kvs: KeyValue[]; readonly more: boolean } {
  const limit = naturalOf(request.limit);
  const isCut = limit > 0 && kvs.length > limit;
  return { kvs: isCut ? kvs.slice(0, limit) : kvs, more: isCut };
}

/** In the order of keys, and whatever their revisions. */
export function isPlain(request: RangeRequest): boolean {
  const { minModRevision, maxModRevision, minCreateRevision, maxCreateRevision } = request;
  const isFiltered =
    minModRevision !== 0n ||
    maxModRevision !== 0n ||
    minCreateRevision !== 0n ||
    maxCreateRevision !== 0n;
  const { sortOrder, sortTarget } = request;
  return (
    !isFiltered &&
    sortTarget === RangeRequest_SortTarget.KEY &&
    sortOrder !== RangeRequest_SortOrder.DESCEND
  );
}

export function isWithin(
  request: RangeRequest,
  { modRevision, createRevision }: KeyValue,
): boolean {
  const { minModRevision, maxModRevision, minCreateRevision, maxCreateRevision } = request;
  return (
    (minModRevision === 0n || modRevision >= minModRevision) &&
    (maxModRevision === 0n || modRevision <= maxModRevision) &&
    (minCreateRevision === 0n || createRevision >= minCreateRevision) &&
    (maxCreateRevision === 0n || createRevision <= maxCreateRevision)
  );
}

export type Compare = (a: KeyValue, b: KeyValue) => number;

/** What has no order of its own but a target ascends, as in etcd. */
export function orderOf({ sortOrder, sortTarget }: RangeRequest): Compare {
  const ascending = ascendingBy[sortTarget] as Compare;
  if (sortOrder === RangeRequest_SortOrder.DESCEND) return (a, b) => ascending(b, a);
  return ascending;
}

const ascendingBy: Readonly<Record<number, Compare>> = {
  [RangeRequest_SortTarget.KEY]: (a, b) => Buffer.compare(a.key, b.key),
  [RangeRequest_SortTarget.VERSION]: (a, b) => a.version - b.version,
  [RangeRequest_SortTarget.CREATE]: (a, b) => a.createRevision - b.createRevision,
  [RangeRequest_SortTarget.MOD]: (a, b) => a.modRevision - b.modRevision,
  [RangeRequest_SortTarget.VALUE]: (a, b) => Buffer.compare(a.value, b.value),
};

export const withoutValue = (kv: KeyValue): KeyValue => ({ ...kv, value: new Uint8Array(0) });

/** Below zero is as zero; more than can be held is all. */
export const naturalOf = (value: bigint): number =>
  value <= 0n ? 0 : Number(value > revisionMax ? revisionMax : value);

/** Zero and below: the present one. Throws a GrpcStatus. */
export function revisionOf(value: bigint): number {
  if (value > revisionMax) throw etcdStatus('futureRevision');
  return naturalOf(value);
}
