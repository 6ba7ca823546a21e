// What the log's session requests do to the state, and what every write in a session passes before
// and after it is applied (safety.md 21).
import { HoldfastError } from '@holdfast/base/errors';
import { encode } from '@holdfast/proto/encode';
import {
  CommandResult,
  type SessionCloseRequest,
  type SessionExpireRequest,
  type SessionExpireResponse,
  type SessionKeepAliveRequest,
  type SessionRegisterRequest,
  type SessionRegisterResponse,
} from '@holdfast/proto/internal';
import type { SessionPlace } from './session-table.ts';
import { hashTags } from './state-hash.ts';
import type { StoreLimits } from './store-limits.ts';
import type { StoreState } from './store-state.ts';

/** What a failure counts of the room for answers, however long its sentence. */
const failureBytesCounted = 64;

/** Times are `proposedAtMs` of the entry. A repeated registration has the same answer. */
export function registerSession(
  state: StoreState,
  request: SessionRegisterRequest,
  call: { readonly timeMs: number; readonly limits: StoreLimits },
): SessionRegisterResponse {
  const { id, ttlMs } = request;
  checkRegistration(request, call.limits);
  const known = state.sessions.ttlMs(id);
  if (known === ttlMs) {
    touch(state, id, call.timeMs);
    return { id, ttlMs };
  }
  if (known !== undefined) {
    throw new HoldfastError('already-exists', `the session exists, and lives ${known} ms`);
  }
  if (state.sessions.size >= call.limits.sessionsMax) {
    throw new HoldfastError(
      'resource-exhausted',
      `there are ${call.limits.sessionsMax} sessions already: close some, or let them expire`,
    );
  }
  state.sessions.register(id, ttlMs, call.timeMs);
  state.hash.mixId(hashTags.sessionRegistered, id);
  state.hash.mixNumber(hashTags.sessionRegistered, ttlMs);
  state.hash.mixNumber(hashTags.sessionRegistered, call.timeMs);
  return { id, ttlMs };
}

function checkRegistration(request: SessionRegisterRequest, limits: StoreLimits): void {
  const { id, ttlMs } = request;
  if (id === 0n) throw new HoldfastError('invalid-argument', 'session 0 is no session');
  if (ttlMs < limits.sessionTtlMsMin || ttlMs > limits.sessionTtlMsMax) {
    throw new HoldfastError(
      'invalid-argument',
      `a session lives ${limits.sessionTtlMsMin} to ${limits.sessionTtlMsMax} ms, not ${ttlMs}`,
    );
  }
}

export function keepSessionAlive(
  state: StoreState,
  request: SessionKeepAliveRequest,
  timeMs: number,
): void {
  touch(state, request.id, timeMs);
}

/** Ends those of the sessions that are overdue at the time of this very entry. */
export function expireSessions(
  state: StoreState,
  request: SessionExpireRequest,
  timeMs: number,
): SessionExpireResponse {
  const named = [...new Set(request.ids)];
  const expired = named.filter((id) => state.sessions.isOverdue(id, timeMs));
  for (const id of expired) end(state, id);
  return { expired };
}

/** Throws `session-expired` where there is none. */
export function closeSession(state: StoreState, request: SessionCloseRequest): void {
  end(state, request.id);
}

function touch(state: StoreState, id: bigint, timeMs: number): void {
  state.sessions.touch(id, timeMs);
  state.hash.mixId(hashTags.sessionTouched, id);
  state.hash.mixNumber(hashTags.sessionTouched, timeMs);
}

function end(state: StoreState, id: bigint): void {
  state.sessions.end(id);
  state.hash.mixId(hashTags.sessionEnded, id);
}

/**
 * What the write answered when it was applied, or undefined: it is new, to be applied and then
 * kept. Throws what SessionTable.recall throws.
 */
export function recallResult(
  state: StoreState,
  place: SessionPlace,
  call: { readonly timeMs: number; readonly limits: StoreLimits },
): CommandResult | undefined {
  touch(state, place.sessionId, call.timeMs);
  state.hash.mixId(hashTags.sessionEntered, place.sequence);
  state.hash.mixNumber(hashTags.sessionEntered, place.pendingSpan);
  const kept = state.sessions.recall(place, call.limits.sessionInFlightMax);
  return kept && CommandResult.decode(kept);
}

export function keepResult(
  state: StoreState,
  place: SessionPlace,
  answer: { readonly result: CommandResult; readonly limits: StoreLimits },
): void {
  const { result, limits } = answer;
  const whole = encode(CommandResult, result);
  if (result.response?.$case === 'failure') {
    state.sessions.keep(place, { bytes: whole, countedBytes: failureBytesCounted });
    state.hash.mixBytes(encode(CommandResult, withoutSentence(result)));
    return;
  }
  const room = limits.sessionResultBytesAllMax - state.sessions.countedBytes;
  const isWhole = whole.length <= Math.min(limits.sessionResultBytesMax, room);
  const bytes = isWhole ? whole : encode(CommandResult, shortened(result));
  state.sessions.keep(place, { bytes, countedBytes: bytes.length });
  state.hash.mixBytes(bytes);
}

/**
 * A release may word a failure anew, so what members compare does not depend on the sentence: not
 * the hash, and not how much room there is.
 */
function withoutSentence({ revision, response }: CommandResult): CommandResult {
  if (response?.$case !== 'failure') return { revision, response };
  return { revision, response: { $case: 'failure', value: { ...response.value, message: '' } } };
}

/** What is kept of a long answer. */
function shortened({ revision, response }: CommandResult): CommandResult {
  const succeeded = response?.$case !== 'txn' || response.value.succeeded;
  return { revision, response: { $case: 'appliedBefore', value: { revision, succeeded } } };
}
