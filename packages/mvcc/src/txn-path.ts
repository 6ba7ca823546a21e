// Which way a transaction goes: comparisons against the state, and the branch that is taken, nested
// transactions included. Reads only.
import { must, unreachable } from '@holdfast/base/assert';
import { compareBytes } from '@holdfast/base/bytes';
import {
  type Compare,
  CompareResult,
  type DeleteRangeRequest,
  type PutRequest,
  type RangeRequest,
  type TxnRequest,
} from '@holdfast/proto/internal';
import { livingIn } from './range-reader.ts';
import type { StoreState } from './store-state.ts';

export type ResolvedOp =
  | { readonly $case: 'range'; readonly value: RangeRequest }
  | { readonly $case: 'put'; readonly value: PutRequest }
  | { readonly $case: 'deleteRange'; readonly value: DeleteRangeRequest }
  | { readonly $case: 'txn'; readonly value: ResolvedTxn };

/** A transaction whose comparisons have been made: the operations that will run, in order. */
export type ResolvedTxn = { readonly succeeded: boolean; readonly ops: readonly ResolvedOp[] };

/** The taken branch of a transaction that `checkTxn` let through. */
export function resolveTxn(txn: TxnRequest, decide: (compare: Compare) => boolean): ResolvedTxn {
  const succeeded = txn.compare.every(decide);
  const ops = (succeeded ? txn.success : txn.failure).map((op): ResolvedOp => {
    const request = must(op.request, 'a checked operation is set');
    if (request.$case !== 'txn') return request;
    return { $case: 'txn', value: resolveTxn(request.value, decide) };
  });
  return { succeeded, ops };
}

/** Visits every operation that will run and is no transaction itself. */
export function visitOps(txn: ResolvedTxn, visit: (op: ResolvedOp) => void): void {
  for (const op of txn.ops) {
    if (op.$case === 'txn') visitOps(op.value, visit);
    else visit(op);
  }
}

/** Whether the comparison holds for every living key of its range. */
export function holds(state: StoreState, compare: Compare): boolean {
  const living = livingIn(state, compare);
  if (living.length > 0) {
    return living.every((address) => verdict(compare.result, order(state, address, compare)));
  }
  // A key that is not there has version, revisions and lease 0; it has no value to compare (etcd).
  if (compare.target?.$case === 'value') return false;
  return verdict(compare.result, order(state, 0, compare));
}

/** How the key's property stands to the wanted one: negative, zero or positive. */
function order(state: StoreState, address: number, compare: Compare): number {
  const target = must(compare.target, 'a checked comparison has a target');
  const heap = state.heap;
  switch (target.$case) {
    case 'version':
      return difference(address === 0 ? 0 : heap.version(address), target.value);
    case 'createRevision':
      return difference(address === 0 ? 0 : heap.createRevision(address), target.value);
    case 'modRevision':
      return difference(address === 0 ? 0 : heap.modRevision(address), target.value);
    case 'lease':
      return difference(address === 0 ? 0n : heap.lease(address), target.value);
    case 'value':
      return compareBytes(heap.value(address), target.value);
    default:
      return unreachable(target);
  }
}

const difference = (have: number | bigint, want: bigint): number =>
  have < want ? -1 : have > want ? 1 : 0;

function verdict(result: CompareResult, ordered: number): boolean {
  switch (result) {
    case CompareResult.EQUAL:
      return ordered === 0;
    case CompareResult.NOT_EQUAL:
      return ordered !== 0;
    case CompareResult.GREATER:
      return ordered > 0;
    case CompareResult.LESS:
      return ordered < 0;
    default:
      return unreachable(result);
  }
}
