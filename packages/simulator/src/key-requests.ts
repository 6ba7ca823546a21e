// Requests of simulated clients, as the engine wants them, and what their answers say of a key.
import { toText, utf8 } from '@holdfast/base/bytes';
import { revision } from '@holdfast/base/ids';
import {
  type Compare,
  CompareResult,
  type KeyValue,
  type RequestOp,
  type ResponseOp,
} from '@holdfast/proto/internal';
import type { Register } from './history.ts';

export const keyspace = 1;

export const registerOf = (kv: KeyValue | undefined): Register =>
  kv ? toText(kv.value) : undefined;

export const rangeRequest = (key: string) => ({
  keyspace,
  key: utf8(key),
  rangeEnd: new Uint8Array(0),
  limit: 0,
  revision: revision(0),
  keysOnly: false,
  countOnly: false,
});

export const putRequest = (key: string, value: string) => ({
  keyspace,
  key: utf8(key),
  value: utf8(value),
  lease: 0n,
  prevKv: false,
  ignoreValue: false,
  ignoreLease: false,
});

export const putOp = (key: string, value: string): RequestOp => ({
  request: { $case: 'put', value: putRequest(key, value) },
});

export const rangeOp = (key: string): RequestOp => ({
  request: { $case: 'range', value: rangeRequest(key) },
});

export const rangedValue = (response: ResponseOp | undefined): Register =>
  response?.response?.$case === 'range' ? registerOf(response.response.value.kvs[0]) : undefined;

/** Holds while the key has this value; undefined: while it is absent. */
export const equals = (key: string, expected: Register): Compare => ({
  keyspace,
  key: utf8(key),
  rangeEnd: new Uint8Array(0),
  result: CompareResult.EQUAL,
  target:
    expected === undefined
      ? { $case: 'version', value: 0n }
      : { $case: 'value', value: utf8(expected) },
});
