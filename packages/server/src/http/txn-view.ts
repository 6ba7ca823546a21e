// Transactions as JSON, both ways: `{compare, success, failure}` with keys and values as text or as
// base64. The schemas stand here too, because they are the shape that this file reads.
import { unreachable } from '@holdfast/base/assert';
import { emptyBytes, prefixEnd, utf8 } from '@holdfast/base/bytes';
import {
  deleteRangeRequest,
  type KeyRange,
  putOperation,
  rangeRequest,
} from '@holdfast/domain/requests';
import type {
  Compare,
  RequestOp,
  ResponseOp,
  TxnRequest,
  TxnResponse,
} from '@holdfast/proto/internal';
import { type Static, Type } from 'typebox';

import { idOf, invalid } from './call-options.ts';
import { kvKeyspace, kvView } from './kv-view.ts';

const strict = { additionalProperties: false };
/** How many operations and compares one transaction may hold. */
const operationsMax = 128;

const keyParts = {
  key: Type.Optional(Type.String({ description: 'one key, as text' })),
  keyBase64: Type.Optional(Type.String({ description: 'one key, as bytes' })),
  prefix: Type.Optional(Type.String({ description: 'all keys that begin so; empty = all' })),
};
const valueParts = {
  value: Type.Optional(Type.String({ description: 'as text' })),
  valueBase64: Type.Optional(Type.String({ description: 'as bytes' })),
};
const leasePart = Type.Optional(Type.String({ description: 'a lease, in decimal' }));
const targets = ['version', 'create-revision', 'mod-revision', 'value', 'lease'] as const;
const literals = <const T extends readonly string[]>(values: T) =>
  Type.Union(values.map((value) => Type.Literal(value as T[number])));

const compareSchema = Type.Object(
  {
    ...keyParts,
    target: literals(targets),
    is: literals(['equal', 'not-equal', 'greater', 'less'] as const),
    number: Type.Optional(Type.Integer({ minimum: 0, description: 'for versions and revisions' })),
    lease: leasePart,
    ...valueParts,
  },
  strict,
);
const operationSchema = Type.Object(
  {
    get: Type.Optional(
      Type.Object({ ...keyParts, limit: Type.Optional(Type.Integer({ minimum: 0 })) }, strict),
    ),
    put: Type.Optional(
      Type.Object(
        { key: keyParts.key, keyBase64: keyParts.keyBase64, ...valueParts, lease: leasePart },
        strict,
      ),
    ),
    delete: Type.Optional(Type.Object(keyParts, strict)),
  },
  { ...strict, minProperties: 1, maxProperties: 1 },
);
const operations = Type.Optional(Type.Array(operationSchema, { maxItems: operationsMax }));

export const txnBodySchema = Type.Object(
  {
    compare: Type.Optional(Type.Array(compareSchema, { maxItems: operationsMax })),
    success: operations,
    failure: operations,
  },
  strict,
);

export type TxnBody = Static<typeof txnBodySchema>;
type CompareBody = Static<typeof compareSchema>;
type OperationBody = Static<typeof operationSchema>;
type KeyBody = { readonly key?: string; readonly keyBase64?: string; readonly prefix?: string };
type ValueBody = { readonly value?: string; readonly valueBase64?: string };

export const txnOf = (body: TxnBody): TxnRequest => ({
  compare: (body.compare ?? []).map(compareOf),
  success: (body.success ?? []).map(operationOf),
  failure: (body.failure ?? []).map(operationOf),
});

/** The numbers of CompareResult in internal.proto. */
const results = { equal: 0, greater: 1, less: 2, 'not-equal': 3 } as const;

function compareOf(body: CompareBody): Compare {
  const { keyspace, key, rangeEnd } = rangeOf(body);
  return {
    keyspace,
    key,
    rangeEnd: rangeEnd ?? emptyBytes,
    result: results[body.is],
    target: targetOf(body),
  };
}

function targetOf(body: CompareBody): NonNullable<Compare['target']> {
  switch (body.target) {
    case 'value':
      return { $case: 'value', value: valueBytes(body) };
    case 'version':
      return { $case: 'version', value: numberOf(body) };
    case 'create-revision':
      return { $case: 'createRevision', value: numberOf(body) };
    case 'mod-revision':
      return { $case: 'modRevision', value: numberOf(body) };
    case 'lease':
      return { $case: 'lease', value: leaseOf(body) };
    default:
      return unreachable(body.target);
  }
}

function numberOf(body: CompareBody): bigint {
  if (body.number !== undefined) return BigInt(body.number);
  throw invalid(`a compare of ${body.target} needs number`);
}

/** Zero compares with keys that hang on none. */
function leaseOf(body: CompareBody): bigint {
  if (body.lease === undefined) return numberOf(body);
  return body.lease === '0' ? 0n : idOf(body.lease, 'lease');
}

function operationOf(body: OperationBody): RequestOp {
  if (body.put) {
    const lease = body.put.lease === undefined ? 0n : idOf(body.put.lease, 'lease');
    return putOperation(rangeOf(body.put), valueBytes(body.put), lease);
  }
  if (body.delete) {
    const value = deleteRangeRequest(rangeOf(body.delete));
    return { request: { $case: 'deleteRange', value } };
  }
  if (body.get === undefined) throw invalid('an operation is one of get, put, delete');
  const value = rangeRequest(rangeOf(body.get), { limit: body.get.limit ?? 0 });
  return { request: { $case: 'range', value } };
}

/** Exactly one of `key`, `keyBase64` and `prefix`. */
function rangeOf(body: KeyBody): KeyRange {
  const given = [body.key, body.keyBase64, body.prefix].filter((one) => one !== undefined);
  if (given.length !== 1) throw invalid('name one of key, keyBase64 and prefix');
  if (body.prefix !== undefined) return prefixRange(body.prefix);
  const key = body.key === undefined ? bytesOf(body.keyBase64 as string) : utf8(body.key);
  if (key.length === 0) throw invalid('a key has at least one byte');
  return { keyspace: kvKeyspace, key, rangeEnd: emptyBytes };
}

/** All keys that begin with `prefix`; the empty one means all keys. */
export function prefixRange(prefix: string): Required<KeyRange> {
  const bytes = utf8(prefix);
  const key = bytes.length === 0 ? new Uint8Array([0]) : bytes;
  return { keyspace: kvKeyspace, key, rangeEnd: prefixEnd(bytes) };
}

function valueBytes(body: ValueBody): Uint8Array {
  if ((body.value === undefined) === (body.valueBase64 === undefined)) {
    throw invalid('name one of value and valueBase64');
  }
  return body.value === undefined ? bytesOf(body.valueBase64 as string) : utf8(body.value);
}

/** Node reads any text as base64; what does not read back the same is a mistake of the caller. */
function bytesOf(base64: string): Uint8Array {
  const bytes = Buffer.from(base64, 'base64');
  const bare = (text: string): string => text.replace(/=+$/, '');
  if (bare(bytes.toString('base64')) === bare(base64)) return bytes;
  throw invalid(`not base64: ${JSON.stringify(base64.slice(0, 40))}`);
}

export const txnView = (body: TxnResponse) => ({
  succeeded: body.succeeded,
  responses: body.responses.map(responseView),
});

function responseView({ response }: ResponseOp): object {
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
      return { txn: txnView(response.value) };
    default:
      return {};
  }
}
