// How large a transaction may be, by the number of its operations: what apply holds it to, and what
// is asked before it is proposed, so that nothing that apply would refuse is copied to all members.
import { HoldfastError } from '@holdfast/base/errors';
import type { TxnRequest } from '@holdfast/proto/internal';
import type { StoreLimits } from './store-limits.ts';

type TxnLimits = Pick<StoreLimits, 'txnOpsMax' | 'txnDepthMax'>;

/** How deep a transaction stands, and what each of its three lists may hold. */
export type TxnLevel = { readonly depth: number; readonly opsMax: number };

export const outermostLevel = ({ txnOpsMax }: TxnLimits): TxnLevel => ({
  depth: 1,
  opsMax: txnOpsMax,
});

/** Throws `too-large`; answers the level of those that stand in it. */
export function levelWithin(txn: TxnRequest, level: TxnLevel, limits: TxnLimits): TxnLevel {
  if (level.depth > limits.txnDepthMax) {
    throw new HoldfastError('too-large', `transactions nest ${limits.txnDepthMax} deep at most`);
  }
  const ops = Math.max(txn.compare.length, txn.success.length, txn.failure.length);
  if (ops > level.opsMax) {
    throw new HoldfastError(
      'too-large',
      `a transaction has at most ${limits.txnOpsMax} operations`,
    );
  }
  // As in etcd, what a nested transaction may hold shrinks by what stands around it.
  return { depth: level.depth + 1, opsMax: level.opsMax - ops };
}

/** Throws `too-large` where apply would, for all that stands in it. */
export function requireFewOperations(
  txn: TxnRequest,
  limits: TxnLimits,
  level = outermostLevel(limits),
): void {
  const inner = levelWithin(txn, level, limits);
  for (const branch of [txn.success, txn.failure]) {
    for (const { request } of branch) {
      if (request?.$case === 'txn') requireFewOperations(request.value, limits, inner);
    }
  }
}
