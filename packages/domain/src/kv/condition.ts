// A write that is carried out only where its key is as its writer believes: one comparison, and
// what stands there where it does not hold.
import { HoldfastError } from '@holdfast/base/errors';
import type { Compare, RequestOp, TxnRequest, TxnResponse } from '@holdfast/proto/internal';

import { type KeyRange, rangeRequest } from '../requests.ts';

export type ConditionalWrite = {
  readonly range: KeyRange;
  readonly compare: Compare;
  readonly operation: RequestOp;
};

export const conditionalTxn = ({ range, compare, operation }: ConditionalWrite): TxnRequest => ({
  compare: [compare],
  success: [operation],
  failure: [{ request: { $case: 'range', value: rangeRequest(range, { keysOnly: true }) } }],
});

/** Of the answer that says that the comparison did not hold. */
export function conditionFailed(wanted: string, body: TxnResponse): HoldfastError {
  const response = body.responses[0]?.response;
  const current = response?.$case === 'range' ? response.value.kvs[0]?.modRevision : undefined;
  const stands = current === undefined ? 'the key is not there' : `it is at revision ${current}`;
  return new HoldfastError('failed-precondition', `wanted: ${wanted}; but ${stands}`, {
    details: { currentRevision: current ?? 0 },
  });
}

/** Of the answer of a deletion; zero where it deleted nothing. */
export function deletedBy(body: TxnResponse): number {
  const response = body.responses[0]?.response;
  return response?.$case === 'deleteRange' ? response.value.deleted : 0;
}
