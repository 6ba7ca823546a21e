// What the log's key-value requests do to the state: put, delete, transaction, compaction. Whatever
// could fail is checked before the first write.
import { unreachable } from '@holdfast/base/assert';
import { HoldfastError } from '@holdfast/base/errors';
import type {
  CompactRequest,
  DeleteRangeRequest,
  DeleteRangeResponse,
  PutRequest,
  PutResponse,
  ResponseOp,
  TxnRequest,
  TxnResponse,
} from '@holdfast/proto/internal';
import { checkAnswer, checkAppliedAnswer } from './answer-weight.ts';
import { leaseNotFound } from './lease-commands.ts';
import { checkPutQuota, checkTxnQuota } from './quota-commands.ts';
import { checkRevision, keyValue, livingIn, readRange } from './range-reader.ts';
import { recordBytes } from './record-slab.ts';
import type { StoreLimits } from './store-limits.ts';
import type { StoreState } from './store-state.ts';
import { checkPut, checkRange, checkTxn } from './txn-check.ts';
import { holds, type ResolvedOp, type ResolvedTxn, resolveTxn, visitOps } from './txn-path.ts';

export function applyPut(state: StoreState, request: PutRequest, limits: StoreLimits): PutResponse {
  checkPut(request, limits);
  checkPutHere(state, request);
  checkQuota(state, putBytes(state, request), limits);
  checkPutQuota(state, request);
  return put(state, request);
}

export function applyDeleteRange(
  state: StoreState,
  request: DeleteRangeRequest,
  limits: StoreLimits,
): DeleteRangeResponse {
  checkRange(request, limits);
  const op = { $case: 'deleteRange', value: request } as const;
  checkAppliedAnswer(state, [op], limits.answerBytesMax);
  return deleteRange(state, request);
}

export function applyTxn(state: StoreState, request: TxnRequest, limits: StoreLimits): TxnResponse {
  const resolved = resolve(state, request, limits);
  checkAppliedAnswer(state, resolved.ops, limits.answerBytesMax);
  return runTxn(state, resolved);
}

/** Of a transaction that writes in neither branch: what applying it would answer. */
export function readTxn(state: StoreState, request: TxnRequest, limits: StoreLimits): TxnResponse {
  const resolved = resolve(state, request, limits);
  checkAnswer(state, resolved.ops, limits.answerBytesMax);
  return runTxn(state, resolved);
}

/** The way that it goes, on which nothing can fail but for the size of its answer. */
function resolve(state: StoreState, request: TxnRequest, limits: StoreLimits): ResolvedTxn {
  checkTxn(request, limits);
  // All comparisons, nested ones too, look at the state before the transaction (as in etcd).
  const resolved = resolveTxn(request, (compare) => holds(state, compare));
  checkResolved(state, resolved, limits);
  return resolved;
}

export function applyCompact(state: StoreState, request: CompactRequest): void {
  checkRevision(state, request.revision);
  if (request.revision <= state.compactRevision) {
    throw new HoldfastError(
      'compacted',
      `revision ${request.revision} is compacted already, up to ${state.compactRevision}`,
      { details: { compactRevision: state.compactRevision } },
    );
  }
  state.compact(request.revision);
}

/** What a put asks of the state: its lease exists, and so does what it wants to keep. */
function checkPutHere(state: StoreState, request: PutRequest): void {
  if (request.lease !== 0n && !state.leases.has(request.lease)) throw leaseNotFound();
  if (!request.ignoreValue && !request.ignoreLease) return;
  if (state.current(request.keyspace, request.key) === 0) {
    throw new HoldfastError('not-found', 'the key whose value or lease is kept does not exist');
  }
}

function checkQuota(state: StoreState, moreBytes: number, limits: StoreLimits): void {
  if (state.bytes + moreBytes <= limits.quotaBytes) return;
  throw new HoldfastError(
    'quota-exceeded',
    `the store holds ${state.bytes} of ${limits.quotaBytes} bytes: delete keys and compact`,
  );
}

function putBytes(state: StoreState, request: PutRequest): number {
  const kept = request.ignoreValue
    ? state.heap.value(state.current(request.keyspace, request.key)).length
    : request.value.length;
  return recordBytes(request.key.length, kept);
}

function put(state: StoreState, request: PutRequest): PutResponse {
  const needsOld = request.prevKv || request.ignoreValue || request.ignoreLease;
  const old = needsOld ? state.current(request.keyspace, request.key) : 0;
  const prevKv = request.prevKv && old !== 0 ? keyValue(state, old) : undefined;
  state.put({
    keyspace: request.keyspace,
    key: request.key,
    value: request.ignoreValue ? state.heap.value(old) : request.value,
    lease: request.ignoreLease ? state.heap.lease(old) : request.lease,
  });
  return { prevKv };
}

function deleteRange(state: StoreState, request: DeleteRangeRequest): DeleteRangeResponse {
  const living = livingIn(state, request);
  const prevKvs = request.prevKv ? living.map((address) => keyValue(state, address)) : [];
  for (const address of living) state.erase(address);
  return { deleted: living.length, prevKvs };
}

/** Whatever could fail on the branch that is taken fails here, before the first write. */
function checkResolved(state: StoreState, resolved: ResolvedTxn, limits: StoreLimits): void {
  let bytes = 0;
  visitOps(resolved, (op) => {
    if (op.$case === 'range') checkRevision(state, op.value.revision);
    if (op.$case !== 'put') return;
    checkPutHere(state, op.value);
    bytes += putBytes(state, op.value);
  });
  if (bytes === 0) return;
  checkQuota(state, bytes, limits);
  checkTxnQuota(state, resolved);
}

function runTxn(state: StoreState, resolved: ResolvedTxn): TxnResponse {
  const responses = resolved.ops.map((op): ResponseOp => ({ response: runOp(state, op) }));
  return { succeeded: resolved.succeeded, responses };
}

function runOp(state: StoreState, op: ResolvedOp): NonNullable<ResponseOp['response']> {
  switch (op.$case) {
    case 'range':
      return { $case: 'range', value: readRange(state, op.value) };
    case 'put':
      return { $case: 'put', value: put(state, op.value) };
    case 'deleteRange':
      return { $case: 'deleteRange', value: deleteRange(state, op.value) };
    case 'txn':
      return { $case: 'txn', value: runTxn(state, op.value) };
    default:
      return unreachable(op);
  }
}
