// Transactions in the JSON of `POST /v1/txn`, as frames carry them. JSON that has not exactly that
// shape has no form here, and goes over HTTP, where the member says what is wrong with it.
import { toTextStrict } from '@holdfast/base/bytes';
import { type TxnJson, type TxnWords, txnOfJson, txnView } from '@holdfast/domain/txn-json';
import type { Response } from '@holdfast/proto/client';
import type { KeyValue } from '@holdfast/proto/internal';

import type { FrameRequest } from './frame-calls.ts';
import { ageOf, idOf, writeFrame } from './frame-forms.ts';
import { keyspace } from './kv-frames.ts';

export function txnFrame(request: unknown): FrameRequest | undefined {
  if (!isTxn(request)) return undefined;
  try {
    return writeFrame({ $case: 'txn', value: txnOfJson(request, words) });
  } catch {
    return undefined; // What is wrong with it, the member says best.
  }
}

/** In the JSON of the HTTP API. */
export function txnAnswerOf(response: Response): unknown {
  const { revision, response: said } = response;
  if (said?.$case === 'appliedBefore') {
    const { revision: at, succeeded } = said.value;
    return { revision: at, appliedBefore: true, succeeded };
  }
  const body = said?.$case === 'txn' ? said.value : { succeeded: false, responses: [] };
  return { revision, ageMs: ageOf(response) ?? null, ...txnView(body, kvView) };
}

const words: TxnWords = {
  keyspace,
  bytesOf: (base64) => {
    const bytes = Buffer.from(base64, 'base64');
    const bare = (text: string): string => text.replace(/=+$/, '');
    if (bare(bytes.toString('base64')) !== bare(base64)) throw new RangeError('no base64');
    return bytes;
  },
  leaseOf: (decimal) => {
    const id = idOf(decimal);
    if (id === undefined) throw new RangeError('no lease');
    return id;
  },
};

function kvView(kv: KeyValue): object {
  return {
    key: toTextStrict(kv.key) ?? null,
    keyBase64: base64(kv.key),
    text: toTextStrict(kv.value) ?? null,
    valueBase64: base64(kv.value),
    createRevision: kv.createRevision,
    modRevision: kv.modRevision,
    version: kv.version,
    ...(kv.lease === 0n ? {} : { lease: kv.lease.toString() }),
  };
}

const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64');

type Shape = Readonly<Record<string, (value: unknown) => boolean>>;

const isText = (value: unknown): boolean => typeof value === 'string';
const isNatural = (value: unknown): boolean => Number.isSafeInteger(value) && Number(value) >= 0;
const oneOf =
  (...texts: readonly string[]) =>
  (value: unknown): boolean =>
    texts.includes(String(value)) && isText(value);

/** No fields but these, each as it says; all may be missing. */
function isLike(value: unknown, shape: Shape): value is Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false;
  return Object.entries(value).every(
    ([name, field]) => Object.hasOwn(shape, name) && shape[name]?.(field) === true,
  );
}

/** How many operations and compares one transaction may hold over HTTP. */
const operationsMax = 128;

const allLike =
  (is: (value: unknown) => boolean) =>
  (value: unknown): boolean =>
    Array.isArray(value) && value.length <= operationsMax && value.every(is);

const keyShape: Shape = { key: isText, keyBase64: isText, prefix: isText };
const valueShape: Shape = { value: isText, valueBase64: isText };
const compareShape: Shape = {
  ...keyShape,
  ...valueShape,
  target: oneOf('version', 'create-revision', 'mod-revision', 'value', 'lease'),
  is: oneOf('equal', 'not-equal', 'greater', 'less'),
  number: isNatural,
  lease: isText,
};
const putShape: Shape = { key: isText, keyBase64: isText, ...valueShape, lease: isText };
const operationShape: Shape = {
  get: (value) => isLike(value, { ...keyShape, limit: isNatural }),
  put: (value) => isLike(value, putShape),
  delete: (value) => isLike(value, keyShape),
};

const isCompare = (value: unknown): boolean =>
  isLike(value, compareShape) && 'target' in value && 'is' in value;

const isOperation = (value: unknown): boolean =>
  isLike(value, operationShape) && Object.keys(value).length === 1;

const isTxn = (value: unknown): value is TxnJson =>
  isLike(value, {
    compare: allLike(isCompare),
    success: allLike(isOperation),
    failure: allLike(isOperation),
  });
