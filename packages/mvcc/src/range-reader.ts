// Reading a range at a revision, and turning records into what clients see.
import { HoldfastError } from '@holdfast/base/errors';
import type { KeyValue, RangeRequest, RangeResponse } from '@holdfast/proto/internal';
import { isEmptyRange, type KeyRange, keyRange } from './key-range.ts';
import type { StoreState } from './store-state.ts';

const noBytes = new Uint8Array(0);

/** Key and value are views into the store: they stay true, and pin a slab while they are held. */
export function keyValue(state: StoreState, address: number, keysOnly = false): KeyValue {
  const heap = state.heap;
  return {
    key: heap.key(address),
    createRevision: heap.createRevision(address),
    modRevision: heap.modRevision(address),
    version: heap.version(address),
    value: keysOnly ? noBytes : heap.value(address),
    lease: heap.lease(address),
  };
}

/** Throws `compacted` or `future-revision` where `revision` (0 = now) cannot be read. */
export function checkRevision(state: StoreState, revision: number): void {
  if (revision > state.revision) {
    throw new HoldfastError(
      'future-revision',
      `revision ${revision} has not been reached: the store is at ${state.revision}`,
      { details: { revision: state.revision } },
    );
  }
  const { compactRevision } = state;
  if (revision > 0 && revision < compactRevision) {
    throw new HoldfastError(
      'compacted',
      `revision ${revision} is compacted away: the oldest that can be read is ${compactRevision}`,
      { details: { compactRevision } },
    );
  }
}

/** What a reader does not need to know. */
export type RangeHints = {
  /** The count may end one beyond the limit, which spares an old revision the walk to the end. */
  readonly uncounted?: boolean | undefined;
};

/** The range as the request asks for it; request and revision have been checked. */
export function readRange(
  state: StoreState,
  request: RangeRequest,
  hints?: RangeHints,
): RangeResponse {
  if (request.rangeEnd.length === 0) return readKey(state, request);
  const range = keyRange(request.key, request.rangeEnd);
  if (isEmptyRange(range)) return { kvs: [], more: false, count: 0 };
  const at = request.revision > 0 ? request.revision : state.readRevision;
  const limit = request.countOnly ? 0 : request.limit > 0 ? request.limit : Infinity;
  const { addresses, count } =
    at === state.readRevision
      ? readNow(state, request.keyspace, { range, limit })
      : readThen(state, request.keyspace, { range, limit, at, uncounted: !!hints?.uncounted });
  const kvs = addresses.map((address) => keyValue(state, address, request.keysOnly));
  return { kvs, more: !request.countOnly && count > kvs.length, count };
}

type Found = { readonly addresses: readonly number[]; readonly count: number };

/** Most reads are of one key: nothing is made for them but the answer. */
function readKey(state: StoreState, request: RangeRequest): RangeResponse {
  const { keyspace, key, revision, countOnly, keysOnly } = request;
  const at = revision > 0 ? revision : state.readRevision;
  const address = state.visibleAt(state.newest(keyspace, key), at);
  if (address === 0) return { kvs: [], more: false, count: 0 };
  return { kvs: countOnly ? [] : [keyValue(state, address, keysOnly)], more: false, count: 1 };
}

/** At the current revision the index knows who lives, and how many they are. */
function readNow(
  state: StoreState,
  keyspace: number,
  wanted: { readonly range: KeyRange; readonly limit: number },
): Found {
  const addresses: number[] = [];
  const index = state.indexOf(keyspace);
  if (!index) return { addresses, count: 0 };
  const { lo, hi } = wanted.range;
  if (wanted.limit > 0) {
    index.scanLiving(lo, hi, (slot) => {
      addresses.push(state.newestOf(slot));
      return addresses.length < wanted.limit;
    });
  }
  return { addresses, count: index.countLive(lo, hi) };
}

/** At an older revision every key of the range has to be asked, if all are to be counted. */
function readThen(
  state: StoreState,
  keyspace: number,
  wanted: {
    readonly range: KeyRange;
    readonly limit: number;
    readonly at: number;
    readonly uncounted: boolean;
  },
): Found {
  const addresses: number[] = [];
  let count = 0;
  visitThen(state, { ...wanted, keyspace }, (address) => {
    count += 1;
    if (addresses.length < wanted.limit) addresses.push(address);
    return !wanted.uncounted || count <= wanted.limit;
  });
  return { addresses, count };
}

/** The records that are visible at a revision, in order, until `visit` wants no more. */
function visitThen(
  state: StoreState,
  wanted: { readonly keyspace: number; readonly range: KeyRange; readonly at: number },
  visit: (address: number) => boolean,
): void {
  state.indexOf(wanted.keyspace)?.scan(wanted.range.lo, wanted.range.hi, (slot) => {
    const address = state.visibleAt(state.newestOf(slot), wanted.at);
    return address === 0 || visit(address);
  });
}

type Ranged = {
  readonly keyspace: number;
  readonly key: Uint8Array;
  readonly rangeEnd: Uint8Array;
};

/** The records of a key, or a range, at its revision (0 = now), until `visit` wants no more. */
export function visitVisible(
  state: StoreState,
  { keyspace, key, rangeEnd, revision }: Ranged & { readonly revision: number },
  visit: (address: number) => boolean,
): void {
  const at = revision > 0 ? revision : state.readRevision;
  if (rangeEnd.length === 0) {
    const address = state.visibleAt(state.newest(keyspace, key), at);
    if (address !== 0) visit(address);
    return;
  }
  const range = keyRange(key, rangeEnd);
  if (!isEmptyRange(range)) visitThen(state, { keyspace, range, at }, visit);
}

/** The newest records of a range's living keys, in order. */
export function livingIn(state: StoreState, request: Ranged): readonly number[] {
  if (request.rangeEnd.length === 0) {
    const address = state.current(request.keyspace, request.key);
    return address === 0 ? [] : [address];
  }
  const addresses: number[] = [];
  const range = keyRange(request.key, request.rangeEnd);
  if (isEmptyRange(range)) return addresses;
  state.indexOf(request.keyspace)?.scanLiving(range.lo, range.hi, (slot) => {
    addresses.push(state.newestOf(slot));
    return true;
  });
  return addresses;
}
