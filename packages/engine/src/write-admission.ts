// What is refused before it is proposed: writes to a member that lags behind its own log, and
// writes that add to a full store. Deletes and compactions are always taken: they are the way out.
import { HoldfastError } from '@holdfast/base/errors';
import type { TxnRequest } from '@holdfast/proto/internal';
import type { CommandRequest } from './command-answer.ts';

/** Entries committed but not yet applied beyond which a member takes no writes (etcd's rule). */
const applyLagMax = 10_000;

/** Throws `resource-exhausted`. */
export function requireApplied(applyLag: number): void {
  if (applyLag <= applyLagMax) return;
  throw new HoldfastError(
    'resource-exhausted',
    `this member has yet to apply ${applyLag} entries; write through another member`,
  );
}

/** `bytes`: of uncompacted data in the store. Undefined: there is room, or none is asked for. */
export function quotaRefusal(
  request: CommandRequest,
  { bytes, quotaBytes }: { readonly bytes: number; readonly quotaBytes: number | undefined },
): HoldfastError | undefined {
  if (quotaBytes === undefined || bytes < quotaBytes || !isAdding(request)) return undefined;
  return new HoldfastError(
    'quota-exceeded',
    `the store holds ${bytes} bytes of its ${quotaBytes}: delete keys or compact history; ` +
      'deletes and compaction are always taken',
  );
}

const isAdding = (request: CommandRequest): boolean =>
  request.$case === 'put' || (request.$case === 'txn' && mayPut(request.value));

/** Whether any branch puts: which one is taken is known only when it is applied. */
const mayPut = ({ success, failure }: TxnRequest): boolean =>
  [...success, ...failure].some(
    ({ request }) =>
      request?.$case === 'put' || (request?.$case === 'txn' && mayPut(request.value)),
  );
