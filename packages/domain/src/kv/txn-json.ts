// Transactions as JSON (`POST /v1/txn`), both ways: `{compare, success, failure}` with keys and
// values as text or as base64. The server reads it of its clients, and the SDK where it has to send
// the transaction in another form. Whether it has this shape is its reader's to judge.
import { unreachable } from '@holdfast/base/assert';
import { emptyBytes, prefixEnd, utf8 } from '@holdfast/base/bytes';
import { HoldfastError } from '@holdfast/base/errors';
import type {
  Compare,
  KeyValue,
  RequestOp,
  ResponseOp,
  TxnRequest,
  TxnResponse,
} from '@holdfast/proto/internal';

import { deleteRangeRequest, type KeyRange, putOperation, rangeRequest } from '../requests.ts';

type KeyJson = {
  readonly key?: string;
  readonly keyBase64?: string;
  /** All keys that begin so; empty: all. */
  readonly prefix?: string;
};
type ValueJson = { readonly value?: string; readonly valueBase64?: string };

export type CompareJson = KeyJson &
  ValueJson & {
    readonly target: 'version' | 'create-revision' | 'mod-revision' | 'value' | 'lease';
    readonly is: 'equal' | 'not-equal' | 'greater' | 'less';
    /** For versions and revisions. */
    readonly number?: number;
    readonly lease?: string;
  };

/** One of the three. */
export type OperationJson = {
  readonly get?: KeyJson & { readonly limit?: number };
  readonly put?: Omit<KeyJson, 'prefix'> & ValueJson & { readonly lease?: string };
  readonly delete?: KeyJson;
};

export type TxnJson = {
  readonly compare?: readonly CompareJson[];
  readonly success?: readonly OperationJson[];
  readonly failure?: readonly OperationJson[];
};

/** How its reader understands what is text in it; what it can not, it throws `invalid-argument`. */
export type TxnWords = {
  readonly keyspace: number;
  readonly bytesOf: (base64: string) => Uint8Array;
  readonly leaseOf: (decimal: string) => bigint;
};

/** Throws `invalid-argument`. */
export function txnOfJson({ compare, success, failure }: TxnJson, words: TxnWords): TxnRequest {
  const reader = new TxnReader(words);
  return {
    compare: (compare ?? []).map((one) => reader.compare(one)),
    success: (success ?? []).map((one) => reader.operation(one)),
    failure: (failure ?? []).map((one) => reader.operation(one)),
  };
}

/** The numbers of CompareResult in internal.proto. */
const results = { equal: 0, greater: 1, less: 2, 'not-equal': 3 } as const;

class TxnReader {
  readonly #words: TxnWords;

  constructor(words: TxnWords) {
    this.#words = words;
  }

  compare(json: CompareJson): Compare {
    const { keyspace, key, rangeEnd } = this.#range(json);
    return {
      keyspace,
      key,
      rangeEnd: rangeEnd ?? emptyBytes,
      result: results[json.is],
      target: this.#target(json),
    };
  }

  operation({ put, delete: removed, get }: OperationJson): RequestOp {
    if (put) {
      const lease = put.lease === undefined ? 0n : this.#words.leaseOf(put.lease);
      return putOperation(this.#range(put), this.#value(put), lease);
    }
    if (removed) {
      const value = deleteRangeRequest(this.#range(removed));
      return { request: { $case: 'deleteRange', value } };
    }
    if (get === undefined) throw invalid('an operation is one of get, put, delete');
    const value = rangeRequest(this.#range(get), { limit: get.limit ?? 0 });
    return { request: { $case: 'range', value } };
  }

  #target(json: CompareJson): NonNullable<Compare['target']> {
    switch (json.target) {
      case 'value':
        return { $case: 'value', value: this.#value(json) };
      case 'version':
        return { $case: 'version', value: numberOf(json) };
      case 'create-revision':
        return { $case: 'createRevision', value: numberOf(json) };
      case 'mod-revision':
        return { $case: 'modRevision', value: numberOf(json) };
      case 'lease':
        return { $case: 'lease', value: this.#lease(json) };
      default:
        return unreachable(json.target);
    }
  }

  /** Zero compares with keys that hang on none. */
  #lease(json: CompareJson): bigint {
    if (json.lease === undefined) return numberOf(json);
    return json.lease === '0' ? 0n : this.#words.leaseOf(json.lease);
  }

  /** Exactly one of `key`, `keyBase64` and `prefix`. */
  #range({ key: text, keyBase64, prefix }: KeyJson): KeyRange {
    const { keyspace, bytesOf } = this.#words;
    const given = [text, keyBase64, prefix].filter((one) => one !== undefined);
    if (given.length !== 1) throw invalid('name one of key, keyBase64 and prefix');
    if (prefix !== undefined) return prefixRange(prefix, keyspace);
    const key = text === undefined ? bytesOf(keyBase64 as string) : utf8(text);
    if (key.length === 0) throw invalid('a key has at least one byte');
    return { keyspace, key, rangeEnd: emptyBytes };
  }

  #value({ value, valueBase64 }: ValueJson): Uint8Array {
    if ((value === undefined) === (valueBase64 === undefined)) {
      throw invalid('name one of value and valueBase64');
    }
    return value === undefined ? this.#words.bytesOf(valueBase64 as string) : utf8(value);
  }
}

/** All keys that begin with `prefix`; the empty one means all keys. */
export function prefixRange(prefix: string, keyspace: number): Required<KeyRange> {
  const bytes = utf8(prefix);
  const key = bytes.length === 0 ? new Uint8Array([0]) : bytes;
  return { keyspace, key, rangeEnd: prefixEnd(bytes) };
}

function numberOf(json: CompareJson): bigint {
  if (json.number !== undefined) return BigInt(json.number);
  throw invalid(`a compare of ${json.target} needs number`);
}

/** The answer; `kvView` shows one key. */
export const txnView = (body: TxnResponse, kvView: (kv: KeyValue) => object) => ({
  succeeded: body.succeeded,
  responses: body.responses.map((one) => responseView(one, kvView)),
});

function responseView({ response }: ResponseOp, kvView: (kv: KeyValue) => object): object {
  switch (response?.$case) {
    case 'range':
      return {
        get: { count: response.value.count, items: response.value.kvs.map((kv) => kvView(kv)) },
      };
    case 'put':
      return { put: {} };
    case 'deleteRange':
      return { delete: { deleted: response.value.deleted } };
    case 'txn':
      return { txn: txnView(response.value, kvView) };
    default:
      return {};
  }
}

const invalid = (message: string): HoldfastError => new HoldfastError('invalid-argument', message);
