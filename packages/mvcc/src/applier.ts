// Applies one entry of the log to the state, a command or a group of them: decode, look whether its
// session had it before, check as a whole, then write. Total: whatever a client got wrong is a
// result, the same on every member (safety.md 10). Only what a newer version wrote is thrown, and
// stops the member.
import { assert, unreachable } from '@holdfast/base/assert';
import { HoldfastError, messageOf } from '@holdfast/base/errors';
import { encode } from '@holdfast/proto/encode';
import {
  decodeEntryEnvelope,
  entryAuthRevision,
  entryBodyAt,
  entryEnvelopeFormat,
  entryProposedAtMs,
  hasSession,
  isEntryGroup,
  spansOfGroup,
} from '@holdfast/proto/entry-envelope';
import {
  BindMemberRequest,
  Command,
  type CommandResult,
  type StateReportRequest,
} from '@holdfast/proto/internal';
import { requireAllowed } from './access-gate.ts';
import { hasMissingCase, hasUnknownField } from './command-shape.ts';
import { applyCompact, applyDeleteRange, applyPut, applyTxn } from './key-commands.ts';
import { checkpointLeases, expireLeases, grantLease, revokeLease } from './lease-commands.ts';
import { decodePlainPut } from './put-decoder.ts';
import { setQuota } from './quota-commands.ts';
import {
  closeSession,
  expireSessions,
  keepResult,
  keepSessionAlive,
  recallResult,
  registerSession,
} from './session-commands.ts';
import type { StoreLimits } from './store-limits.ts';
import type { StoreState } from './store-state.ts';

type Request = NonNullable<Command['request']>;
type Response = NonNullable<CommandResult['response']>;

/** Of a committed entry of kind "command", what applying it takes. */
type CommandEntry = {
  readonly index: number;
  readonly term: number;
  readonly payload: Uint8Array;
};

/** A command on its way through apply. */
type Call = {
  /** An error where the body is none. */
  readonly command: Command | HoldfastError;
  /** The access rules by which it was allowed (access-gate.ts). */
  readonly allowedAt: number;
  readonly index: number;
  readonly term: number;
  readonly timeMs: number;
  readonly inSession: boolean;
  readonly limits: StoreLimits;
};

/** Commands of these versions of the cluster, as a refusal begins. */
const leasesVersion = 2;
const integrityVersion = 5;
const needs: Readonly<Record<number, string>> = {
  [leasesVersion]: 'leases and sessions',
  [integrityVersion]: 'comparisons of states',
};

/** More than any version deals its state out to. */
const reportPartsMax = 1024;

/** What an entry did: of a group, what each of its commands did, in their order. */
export type EntryResult = CommandResult | readonly CommandResult[];

/**
 * Throws `version-mismatch` for a format or a request that this version does not know, before
 * anything has changed: the caller must not go on to the next entry.
 */
export function applyEntry(
  state: StoreState,
  entry: CommandEntry,
  limits: StoreLimits,
): EntryResult {
  const { payload, index, term } = entry;
  const isGroup = isEntryGroup(payload);
  if (!isGroup) refuseNewerFormat(payload);
  const spans = spansOf(payload, isGroup);
  if (spans instanceof HoldfastError) return failed(state, spans);
  // All are read before the first of them changes anything.
  const commands: (Command | HoldfastError)[] = [];
  for (let n = 0; n < spans.length; n += 2) {
    const bodyAt = entryBodyAt(payload, spans[n]);
    commands.push(readCommand(payload, bodyAt, spans[n + 1] as number));
  }
  const timeMs = entryProposedAtMs(payload);
  assert(timeMs >= state.lastProposedAtMs, 'the time of the log never goes back');
  state.lastProposedAtMs = timeMs;
  const results = commands.map((command, n) => {
    const [from, to] = [spans[2 * n] as number, spans[2 * n + 1] as number];
    const inSession = hasSession(payload, from);
    const allowedAt = entryAuthRevision(payload, from);
    const call = { command, allowedAt, index, term, timeMs, inSession, limits };
    return inSession ? performOnce(state, payload.subarray(from, to), call) : perform(state, call);
  });
  return isGroup ? results : (results[0] as CommandResult);
}

/** Where the envelopes lie; an error where there are none that could be read. */
function spansOf(payload: Uint8Array, isGroup: boolean): ArrayLike<number> | HoldfastError {
  try {
    if (isGroup) return spansOfGroup(payload);
    entryBodyAt(payload);
    return [0, payload.length];
  } catch (error) {
    // The format is known (refuseNewerFormat), so what fails here is a payload that is cut short.
    return new HoldfastError('invalid-argument', `malformed entry: ${messageOf(error)}`);
  }
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

function readCommand(payload: Uint8Array, from: number, to: number): Command | HoldfastError {
  const plainPut = decodePlainPut(payload, from, to);
  if (plainPut) return { request: { $case: 'put', value: plainPut } };
  const body = payload.subarray(from, to);
  let command: Command;
  try {
    command = Command.decode(body);
  } catch (error) {
    // The codec throws plain errors; a body that does not decode is the door's mistake.
    return new HoldfastError('invalid-argument', `malformed command: ${messageOf(error)}`);
  }
  if (hasMissingCase(command) && hasUnknownField(body)) {
    throw new NewerCommand(
      'a command holds a request that this version does not know: a newer version wrote this log',
    );
  }
  return command;
}

/**
 * A write in a session takes effect once; sent again, it has the answer that it had. One that was
 * allowed by other rules is no answer: it is judged again, and comes with the same sequence.
 */
function performOnce(state: StoreState, envelope: Uint8Array, call: Call): CommandResult {
  const place = decodeEntryEnvelope(envelope);
  let known: CommandResult | undefined;
  try {
    checkClusterVersion(state);
    known = recallResult(state, place, call);
    if (!known) requireAllowed(state.access, call.allowedAt);
  } catch (error) {
    return failed(state, error);
  }
  if (known) return known;
  const result = perform(state, call);
  keepResult(state, place, { result, limits: call.limits });
  return result;
}

function perform(state: StoreState, call: Call): CommandResult {
  try {
    requireAllowed(state.access, call.allowedAt);
    const response = execute(state, call);
    state.seal(call.timeMs);
    return { revision: state.revision, response };
  } catch (error) {
    return failed(state, error);
  }
}

/**
 * An operating error is the answer to this command, on every member alike; nothing was written,
 * because checks come before the first write.
 */
function failed(state: StoreState, error: unknown): CommandResult {
  if (!(error instanceof HoldfastError)) throw error;
  const { compactRevision, revision } = error.details;
  const about = compactRevision ?? revision;
  const value = {
    code: error.code,
    message: error.message,
    revision: typeof about === 'number' ? about : 0,
  };
  return { revision: state.revision, response: { $case: 'failure', value } };
}

function execute(state: StoreState, call: Call): Response {
  const { command, limits } = call;
  if (command instanceof HoldfastError) throw command;
  const request = command.request;
  if (!request) throw new HoldfastError('invalid-argument', 'the command is empty');
  switch (request.$case) {
    case 'put':
      return { $case: 'put', value: applyPut(state, request.value, limits) };
    case 'deleteRange':
      return { $case: 'deleteRange', value: applyDeleteRange(state, request.value, limits) };
    case 'txn':
      return { $case: 'txn', value: applyTxn(state, request.value, limits) };
    case 'compact':
      applyCompact(state, request.value);
      return { $case: 'compact', value: {} };
    case 'bindMember':
      state.members.bind(request.value, limits);
      state.memberBound(encode(BindMemberRequest, request.value));
      return { $case: 'bindMember', value: {} };
    case 'retireMember':
      state.members.retire(request.value.memberId);
      state.memberRetired(request.value.memberId);
      return { $case: 'retireMember', value: {} };
    case 'clusterVersion':
      state.members.raiseVersion(request.value);
      state.clusterVersionRaised();
      return { $case: 'clusterVersion', value: {} };
    case 'setQuota':
      setQuota(state, request.value);
      return { $case: 'setQuota', value: {} };
    case 'stateCheck':
      requireClusterVersion(state, integrityVersion);
      // What it asks for is done when the entry is applied as a whole (kv-store.ts).
      state.onCheck?.(request.value);
      return { $case: 'stateCheck', value: {} };
    case 'stateReport':
      requireClusterVersion(state, integrityVersion);
      checkReport(request.value);
      state.onReport?.(request.value);
      return { $case: 'stateReport', value: {} };
    default:
      checkClusterVersion(state);
      return executeLeaseOrSession(state, request, call);
  }
}

type LeaseOrSession = Extract<Request, { readonly $case: `lease${string}` | `session${string}` }>;

function executeLeaseOrSession(state: StoreState, request: LeaseOrSession, call: Call): Response {
  switch (request.$case) {
    case 'leaseGrant':
      return { $case: 'leaseGrant', value: grantLease(state, request.value, call) };
    case 'leaseRevoke':
      return { $case: 'leaseRevoke', value: revokeLease(state, request.value) };
    case 'leaseExpire':
      return { $case: 'leaseExpire', value: expireLeases(state, request.value, call.term) };
    case 'leaseCheckpoint':
      checkpointLeases(state, request.value, call.term);
      return { $case: 'leaseCheckpoint', value: {} };
    default:
      return executeSession(state, request, call);
  }
}

type OfSession = Extract<LeaseOrSession, { readonly $case: `session${string}` }>;

function executeSession(state: StoreState, request: OfSession, call: Call): Response {
  if (call.inSession) {
    throw new HoldfastError('invalid-argument', 'a session is not changed from within a session');
  }
  switch (request.$case) {
    case 'sessionRegister':
      return { $case: 'sessionRegister', value: registerSession(state, request.value, call) };
    case 'sessionKeepAlive':
      keepSessionAlive(state, request.value, call.timeMs);
      return { $case: 'sessionKeepAlive', value: {} };
    case 'sessionExpire':
      return { $case: 'sessionExpire', value: expireSessions(state, request.value, call.timeMs) };
    case 'sessionClose':
      closeSession(state, request.value);
      return { $case: 'sessionClose', value: {} };
    default:
      return unreachable(request);
  }
}

/** Older members would stop at such a command, or apply a write in a session twice. */
const checkClusterVersion = (state: StoreState): void =>
  requireClusterVersion(state, leasesVersion);

function requireClusterVersion(state: StoreState, version: number): void {
  const { clusterVersion } = state.members;
  if (clusterVersion >= version) return;
  throw new HoldfastError(
    'failed-precondition',
    `${needs[version]} need cluster version ${version}, this cluster is at ` +
      `${clusterVersion}: it rises once every member runs a version that knows them`,
  );
}

function checkReport({ parts, memberId, checkIndex }: StateReportRequest): void {
  if (memberId !== 0n && checkIndex > 0 && parts.length <= reportPartsMax) return;
  throw new HoldfastError('invalid-argument', 'a report names its member, its check and its parts');
}
