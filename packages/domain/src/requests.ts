// Short forms of the key-value requests that plans are made of: every field that is not named gets
// its neutral value.
import { emptyBytes } from '@holdfast/base/bytes';
import type {
  Compare,
  CompareResult,
  DeleteRangeRequest,
  PutRequest,
  RangeRequest,
  RequestOp,
  TxnRequest,
} from '@holdfast/proto/internal';

/** A key of one keyspace; with `rangeEnd` the half-open range that begins there. */
export type KeyRange = {
  readonly keyspace: number;
  readonly key: Uint8Array;
  readonly rangeEnd?: Uint8Array;
};

/** The numbers of CompareResult in internal.proto; the generated constants are no types. */
const results = { '=': 0, '>': 1, '<': 2, '!=': 3 } as const satisfies Record<
  string,
  CompareResult
>;

export function rangeRequest(
  range: KeyRange,
  options: Partial<Pick<RangeRequest, 'limit' | 'revision' | 'keysOnly' | 'countOnly'>> = {},
): RangeRequest {
  return {
    keyspace: range.keyspace,
    key: range.key,
    rangeEnd: range.rangeEnd ?? emptyBytes,
    limit: options.limit ?? 0,
    revision: options.revision ?? 0,
    keysOnly: options.keysOnly ?? false,
    countOnly: options.countOnly ?? false,
  };
}

export function putRequest(range: KeyRange, value: Uint8Array): PutRequest {
  return {
    keyspace: range.keyspace,
    key: range.key,
    value,
    lease: 0n,
    prevKv: false,
    ignoreValue: false,
    ignoreLease: false,
  };
}

export function deleteRangeRequest(range: KeyRange): DeleteRangeRequest {
  return {
    keyspace: range.keyspace,
    key: range.key,
    rangeEnd: range.rangeEnd ?? emptyBytes,
    prevKv: false,
  };
}

export const putOperation = (range: KeyRange, value: Uint8Array, lease = 0n): RequestOp => ({
  request: { $case: 'put', value: { ...putRequest(range, value), lease } },
});

export const deleteOperation = (range: KeyRange): RequestOp => ({
  request: { $case: 'deleteRange', value: deleteRangeRequest(range) },
});

export const txnOperation = (txn: TxnRequest): RequestOp => ({
  request: { $case: 'txn', value: txn },
});

export function txnRequest(parts: Partial<TxnRequest>): TxnRequest {
  return {
    compare: parts.compare ?? [],
    success: parts.success ?? [],
    failure: parts.failure ?? [],
  };
}

/** Compares the revision of the key's last change; 0 = the key does not exist. */
export function compareModRevision(
  range: KeyRange,
  result: keyof typeof results,
  revision: number,
): Compare {
  return {
    keyspace: range.keyspace,
    key: range.key,
    rangeEnd: range.rangeEnd ?? emptyBytes,
    result: results[result],
    target: { $case: 'modRevision', value: BigInt(revision) },
  };
}

/** Holds if no key of the range exists: an empty range is judged as one absent key, as in etcd. */
export const compareAbsent = (range: KeyRange): Compare => compareModRevision(range, '=', 0);
