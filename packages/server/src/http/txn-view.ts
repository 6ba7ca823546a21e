// Transactions as JSON, as this door takes them: the schema of what `domain` reads, and how text in
// it is understood.
import type { KeyRange } from '@holdfast/domain/requests';
import {
  prefixRange as rangeOfPrefix,
  type TxnWords,
  txnOfJson,
  txnView as viewOf,
} from '@holdfast/domain/txn-json';
import type { TxnRequest, TxnResponse } from '@holdfast/proto/internal';
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

export const txnOf = (body: TxnBody): TxnRequest => txnOfJson(body, words);

const words: TxnWords = {
  keyspace: kvKeyspace,
  bytesOf,
  leaseOf: (decimal) => idOf(decimal, 'lease'),
};

/** All keys that begin with `prefix`; the empty one means all keys. */
export const prefixRange = (prefix: string): Required<KeyRange> =>
  rangeOfPrefix(prefix, kvKeyspace);

/** Node reads any text as base64; what does not read back the same is a mistake of the caller. */
function bytesOf(base64: string): Uint8Array {
  const bytes = Buffer.from(base64, 'base64');
  const bare = (text: string): string => text.replace(/=+$/, '');
  if (bare(bytes.toString('base64')) === bare(base64)) return bytes;
  throw invalid(`not base64: ${JSON.stringify(base64.slice(0, 40))}`);
}

export const txnView = (body: TxnResponse) => viewOf(body, (kv) => kvView(kv));
