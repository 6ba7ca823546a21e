// Applies one command of the log to the state: decode, check as a whole, then write. Total:
// whatever a client got wrong is a result, the same on every member (safety.md 10). Only what a
// newer version wrote is thrown, and stops the member.
import { assert, unreachable } from '@holdfast/base/assert';
import { HoldfastError, messageOf } from '@holdfast/base/errors';
import { entryBody, entryEnvelopeFormat, entryProposedAtMs } from '@holdfast/proto/entry-envelope';
import {
  BindMemberRequest,
  Command,
  type CommandResult,
  type CompactRequest,
  type DeleteRangeRequest,
  type DeleteRangeResponse,
  type PutRequest,
  type PutResponse,
  type ResponseOp,
  type TxnRequest,
  type TxnResponse,
} from '@holdfast/proto/internal';
import { hasMissingCase, hasUnknownField } from './command-shape.ts';
import { decodePlainPut } from './put-decoder.ts';
import { checkRevision, keyValue, livingIn, readRange } from './range-reader.ts';
import { recordBytes } from './record-slab.ts';
import type { StoreLimits } from './store-limits.ts';
import type { StoreState } from './store-state.ts';
import { checkPut, checkRange, checkTxn } from './txn-check.ts';
import { holds, type ResolvedOp, type ResolvedTxn, resolveTxn, visitOps } from './txn-path.ts';

type Response = NonNullable<CommandResult['response']>;

/**
 * What the command did. Throws `version-mismatch` for a format or a request that this version does
 * not know: the caller must not go on to the next entry.
 */
export function applyCommand(
  state: StoreState,
  payload: Uint8Array,
  limits: StoreLimits,
): CommandResult {
  refuseNewerFormat(payload);
  let response: Response;
  try {
    response = perform(state, payload, limits);
  } catch (error) {
    // An operating error is the answer to this command, on every member alike; nothing was written,
    // because checks come before the first write.
    if (!(error instanceof HoldfastError) || error instanceof NewerCommand) throw error;
    response = failure(error);
  }
  return { revision: state.revision, response };
}

class NewerCommand extends HoldfastError {
  constructor(message: string) {
    super('version-mismatch', message, { outcome: 'unknown' });
  }
}

function refuseNewerFormat(payload: Uint8Array): void {
  const format = payload[0];
  if (format !== undefined && format !== entryEnvelopeFormat) {
    throw new NewerCommand(
      `entry format ${format} is unknown (known: ${entryEnvelopeFormat}): ` +
        'a newer version wrote this log, and this one must not skip it',
    );
  }
}

function perform(state: StoreState, payload: Uint8Array, limits: StoreLimits): Response {
  const body = decodeEnvelope(payload);
  const proposedAtMs = entryProposedAtMs(payload);
  assert(proposedAtMs >= state.lastProposedAtMs, 'the time of the log never goes back');
  state.lastProposedAtMs = proposedAtMs;
  const plainPut = decodePlainPut(body);
  const command: Command = plainPut
    ? { request: { $case: 'put', value: plainPut } }
    : decodeCommand(body);
  const response = execute(state, command, limits);
  state.seal(proposedAtMs);
  return response;
}

function decodeEnvelope(payload: Uint8Array): Uint8Array {
  try {
    return entryBody(payload);
  } catch (error) {
    // The format is known (refuseNewerFormat), so what fails here is a payload that is cut short.
    throw new HoldfastError('invalid-argument', `malformed entry: ${messageOf(error)}`);
  }
}

function decodeCommand(body: Uint8Array): Command {
  let command: Command;
  try {
    command = Command.decode(body);
  } catch (error) {
    // The codec throws plain errors; a body that does not decode is the door's mistake.
    throw new HoldfastError('invalid-argument', `malformed command: ${messageOf(error)}`);
  }
  if (hasMissingCase(command) && hasUnknownField(body)) {
    throw new NewerCommand(
      'a command holds a request that this version does not know: a newer version wrote this log',
    );
  }
  return command;
}

function execute(state: StoreState, command: Command, limits: StoreLimits): Response {
  const request = command.request;
  switch (request?.$case) {
    case 'put':
      checkPut(request.value, limits);
      checkPutHere(state, request.value);
      checkQuota(state, putBytes(state, request.value), limits);
      return { $case: 'put', value: put(state, request.value) };
    case 'deleteRange':
      checkRange(request.value, limits);
      return { $case: 'deleteRange', value: deleteRange(state, request.value) };
    case 'txn':
      return { $case: 'txn', value: txn(state, request.value, limits) };
    case 'compact':
      compact(state, request.value);
      return { $case: 'compact', value: {} };
    case 'bindMember':
      state.members.bind(request.value, limits);
      state.memberBound(BindMemberRequest.encode(request.value).finish());
      return { $case: 'bindMember', value: {} };
    case 'clusterVersion':
      state.members.raiseVersion(request.value.version);
      state.clusterVersionRaised();
      return { $case: 'clusterVersion', value: {} };
    default:
      throw new HoldfastError('invalid-argument', 'the command is empty');
  }
}

function failure(error: HoldfastError): Response {
  const { compactRevision, revision } = error.details;
  const about = compactRevision ?? revision;
  return {
    $case: 'failure',
    value: {
      code: error.code,
      message: error.message,
      revision: typeof about === 'number' ? about : 0,
    },
  };
}

/** The one place that knows which leases exist; before leases come, only "none" does. */
const leaseExists = (lease: bigint): boolean => lease === 0n;

/** What a put asks of the state: its lease exists, and so does what it wants to keep. */
function checkPutHere(state: StoreState, request: PutRequest): void {
  if (!request.ignoreLease && !leaseExists(request.lease)) {
    throw new HoldfastError('not-found', `lease ${request.lease} does not exist`);
  }
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

function compact(state: StoreState, request: CompactRequest): void {
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

function txn(state: StoreState, request: TxnRequest, limits: StoreLimits): TxnResponse {
  checkTxn(request, limits);
  // All comparisons, nested ones too, look at the state before the transaction (as in etcd).
  const resolved = resolveTxn(request, (compare) => holds(state, compare));
  checkResolved(state, resolved, limits);
  return runTxn(state, resolved);
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
  if (bytes > 0) checkQuota(state, bytes, limits);
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
