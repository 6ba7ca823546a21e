// From a command to the bytes in the log, and from a result back to an answer or an error.
import { bugLog } from '@holdfast/base/bug-log';
import { type ErrorCode, HoldfastError } from '@holdfast/base/errors';
import { accessKeyspace } from '@holdfast/domain/access-key';
import { encode } from '@holdfast/proto/encode';
import {
  encodeEntry,
  encodePutEntry,
  entryBody,
  isEntryGroup,
} from '@holdfast/proto/entry-envelope';
import { Command, CommandResult, type RequestOp, type TxnRequest } from '@holdfast/proto/internal';
import type { Entry } from '@holdfast/raft/entry';
import type { ResultCodec } from '@holdfast/replica/forwarding';
import type { Proposed } from '@holdfast/replica/proposals';
import { AppliedBefore } from './applied-before.ts';
import { accessVersion, leasesVersion, quotasVersion } from './cluster-version.ts';
import type { SessionPlace, WriteOptions } from './engine.ts';

export type CommandRequest = NonNullable<Command['request']>;
export type CommandCase = CommandRequest['$case'];
type ResponseOf<Case extends CommandCase> = Extract<
  NonNullable<CommandResult['response']>,
  { readonly $case: Case }
>['value'];

/**
 * The log entry's payload; the leader stamps its time (safety.md, "bytes to have"). `authRevision`:
 * by which access rules it was allowed.
 */
export function encodeCommand(
  request: CommandRequest,
  options: WriteOptions,
  authRevision: bigint,
): Uint8Array {
  const { sessionId, sequence, pendingSpan } = placeIn(options.session);
  const { actor, traceId = 0n } = options;
  const head = {
    proposedAtMs: 0,
    authRevision,
    sessionId,
    sequence,
    pendingSpan,
    traceId,
    actor,
  };
  const plain = request.$case === 'put' ? encodePutEntry(head, request.value) : undefined;
  return plain ?? encodeEntry(head, Command, { request });
}

const noPlace = { sessionId: 0n, sequence: 0n, pendingSpan: 0 };

/** The place in the envelope; 16 bits hold the span (entry-envelope.ts). */
function placeIn(place: SessionPlace | undefined) {
  if (!place) return noPlace;
  const { id: sessionId, sequence, lowestPending } = place;
  const span = sequence - lowestPending;
  if (sessionId <= 0n || sequence <= 0n || lowestPending <= 0n || span < 0n || span > 0xffffn) {
    throw new HoldfastError(
      'invalid-argument',
      'a session and its sequences count from 1, and the lowest pending sequence is at most ' +
        `65,535 below the write's own, not ${lowestPending} for ${sequence}`,
    );
  }
  return { sessionId, sequence, pendingSpan: Number(span) };
}

/**
 * The response to a command of that kind; throws what the command failed with, and AppliedBefore
 * for a repeated one whose answer is not kept in full. In a session, `conflict`: the sequence was
 * used for a write of another kind before.
 */
export function responseOf<Case extends CommandCase>(
  result: CommandResult,
  kind: Case,
  session?: SessionPlace,
): ResponseOf<Case> {
  const { response } = result;
  if (response?.$case === kind) return response.value as ResponseOf<Case>;
  if (response?.$case === 'appliedBefore') throw new AppliedBefore(response.value);
  if (response?.$case !== 'failure') {
    if (session && response) throw usedForAnother(session, result);
    const message = `the answer to a ${kind} is a ${response?.$case ?? 'nothing'}`;
    bugLog('command answer', message);
    throw new HoldfastError('internal', message, { outcome: 'applied' });
  }
  const { code, message, revision } = response.value;
  const details = code === 'compacted' ? { compactRevision: revision } : {};
  throw new HoldfastError(code as ErrorCode, message, { details });
}

const usedForAnother = ({ sequence }: SessionPlace, { revision, response }: CommandResult) =>
  new HoldfastError(
    'conflict',
    `sequence ${sequence} of the session was used for another write (${response?.$case}), at ` +
      `revision ${revision}: nothing was done now`,
  );

/** The version that the cluster must have for it; undefined: any. */
export function versionOf(
  { $case, value }: CommandRequest,
  { session }: Pick<WriteOptions, 'session'>,
): number | undefined {
  if ($case === 'txn' && value.compare[0]?.keyspace === accessKeyspace) return accessVersion;
  if ($case === 'put' || $case === 'deleteRange' || $case === 'txn') {
    return session ? leasesVersion : undefined;
  }
  if ($case === 'setQuota') return quotasVersion;
  const isOfLeases = $case.startsWith('lease') || $case.startsWith('session');
  return session || isOfLeases ? leasesVersion : undefined;
}

/** Nothing was done: it had been allowed by other access rules than those in force. */
export const isAllowedByOthers = ({ response }: CommandResult): boolean =>
  response?.$case === 'failure' && response.value.code === 'access-changed';

/** Undefined: it was allowed by other access rules, and has to be judged again. */
export const resultOf = ({ result }: Proposed): CommandResult | undefined =>
  isAllowedByOthers(result as CommandResult) ? undefined : (result as CommandResult);

/** It needs no place in the log. In a session an answer is kept, which does. */
export const isReadTxn = (request: TxnRequest, { session }: WriteOptions): boolean =>
  !session && changesNothing(request);

/** Whichever branch is taken. */
const changesNothing = ({ success, failure }: TxnRequest): boolean =>
  success.every(readsOnly) && failure.every(readsOnly);

const readsOnly = ({ request }: RequestOp): boolean =>
  request?.$case === 'txn' ? changesNothing(request.value) : request?.$case === 'range';

/** The leases that these entries may have granted; whether they did, the state says. */
export function grantedIn(entries: readonly Entry[]): readonly bigint[] {
  return entries.flatMap((entry) => {
    // None is granted in a group (isGroupable).
    if (entry.kind !== 'command' || isEntryGroup(entry.payload)) return [];
    const body = entryBody(entry.payload);
    if (body[0] !== leaseGrantTag) return [];
    const { request } = Command.decode(body);
    return request?.$case === 'leaseGrant' ? [request.value.id] : [];
  });
}

/** How an encoded Command begins that holds a LeaseGrantRequest: field 7, with a length. */
const leaseGrantTag = (7 << 3) | 2;

/**
 * What changes keys alone may share an entry with others: put, delete, transaction, the fields 1 to
 * 3 of a Command. Leases are known by the entry that granted them, and so have one to themselves.
 */
export function isOfKeys(envelope: Uint8Array): boolean {
  const tag = entryBody(envelope)[0];
  return tag === 0x0a || tag === 0x12 || tag === 0x1a;
}

export const commandResults: ResultCodec = {
  encode: (result) => encode(CommandResult, result as CommandResult),
  decode: (bytes) => CommandResult.decode(bytes),
};
