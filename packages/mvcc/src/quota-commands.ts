// Quotas at apply: their setting, and whether a put or a transaction has room. Deletes are never
// asked, and count for whoever puts beside them.
import { utf8 } from '@holdfast/base/bytes';
import { HoldfastError } from '@holdfast/base/errors';
import type { PutRequest, SetQuotaRequest } from '@holdfast/proto/internal';
import { recordCharge } from './quota-count.ts';
import { chargeOf, QuotaGrowth } from './quota-table.ts';
import { livingIn } from './range-reader.ts';
import { hashTags } from './state-hash.ts';
import type { StoreState } from './store-state.ts';
import { type ResolvedTxn, visitOps } from './txn-path.ts';

/** Older members would stop at such a command. */
const quotasVersion = 5;

export function setQuota(state: StoreState, request: SetQuotaRequest): void {
  const { clusterVersion } = state.members;
  if (clusterVersion < quotasVersion) {
    throw new HoldfastError(
      'failed-precondition',
      `quotas need cluster version ${quotasVersion}, this cluster is at ${clusterVersion}`,
    );
  }
  state.quotas.set(request);
  state.hash.mixNumber(hashTags.quotaSet, request.bytesMax);
  state.hash.mixNumber(hashTags.quotaSet, request.keyspace);
  state.hash.mixBytes(utf8(request.namespace));
}

/** Throws `quota-exceeded`. */
export function checkPutQuota(state: StoreState, request: PutRequest): void {
  if (!state.quotas.isLimiting) return;
  const growth = new QuotaGrowth();
  addPut(state, growth, request);
  state.quotas.check(growth);
}

/** The same of all that a transaction writes together. */
export function checkTxnQuota(state: StoreState, txn: ResolvedTxn): void {
  if (!state.quotas.isLimiting) return;
  const growth = new QuotaGrowth();
  visitOps(txn, (op) => {
    if (op.$case === 'put') addPut(state, growth, op.value);
    if (op.$case !== 'deleteRange') return;
    for (const address of livingIn(state, op.value)) subtract(state, growth, address);
  });
  state.quotas.check(growth);
}

function addPut(state: StoreState, growth: QuotaGrowth, request: PutRequest): void {
  const old = state.current(request.keyspace, request.key);
  const value = request.ignoreValue ? state.heap.value(old) : request.value;
  growth.add(request.keyspace, chargeOf(request.keyspace, request.key, value));
  if (old !== 0) subtract(state, growth, old);
}

function subtract(state: StoreState, growth: QuotaGrowth, address: number): void {
  const { namespace, bytes } = recordCharge(state.heap, address);
  growth.add(state.heap.keyspace(address), { namespace, bytes: -bytes });
}
