// What is refused before it is proposed: writes to a member that lags behind its own log, and
// writes that add to a full store. Deletes and compactions are always taken: they are the way out.
import { HoldfastError } from '@holdfast/base/errors';
import { decodeEntryEnvelope } from '@holdfast/proto/entry-envelope';
import { Command, type TxnRequest } from '@holdfast/proto/internal';
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
  bytes: number,
  quotaBytes: number | undefined,
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

/**
 * Whether an entry needs room for good: what a full disk does not take (safety.md 9). A repeated
 * write that the session has the answer of adds nothing.
 */
export function addsData(
  envelope: Uint8Array,
  hasAnswer: (sessionId: bigint, sequence: bigint) => boolean,
): boolean {
  const { body, sessionId, sequence } = decodeEntryEnvelope(envelope);
  const request = requestOf(body);
  if (request && !isAdding(request) && request.$case !== 'leaseGrant') return false;
  return sessionId === 0n || !hasAnswer(sessionId, sequence);
}

/** Undefined for bytes that are no command: a peer has forwarded them, and apply refuses them. */
function requestOf(body: Uint8Array): CommandRequest | undefined {
  try {
    return Command.decode(body).request;
  } catch {
    return undefined; // Not told here: a full disk has no room for it in any case.
  }
}

/** Whether any branch puts: which one is taken is known only when it is applied. */
const mayPut = ({ success, failure }: TxnRequest): boolean =>
  [...success, ...failure].some(
    ({ request }) =>
      request?.$case === 'put' || (request?.$case === 'txn' && mayPut(request.value)),
  );
