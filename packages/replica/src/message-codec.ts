// The mapping between the core's Message and the bytes of holdfast.peer.Message: case by case, both
// ways, and nothing else. What cannot be decoded is an operating error (`corrupt`): bytes of
// another process never break an invariant of this one.
import { unreachable, violated } from '@holdfast/base/assert';
import { HoldfastError, messageOf } from '@holdfast/base/errors';
import { index, memberId, requestId, term } from '@holdfast/base/ids';
import { encode } from '@holdfast/proto/encode';
import * as wire from '@holdfast/proto/peer';
import { decodeConfiguration, encodeConfiguration } from '@holdfast/raft/configuration';
import type { Entry, EntryKind, LogId } from '@holdfast/raft/entry';
import type {
  AppendEntries,
  AppendEntriesResponse,
  HeartbeatResponse,
  LogRange,
  Message,
  SnapshotMeta,
} from '@holdfast/raft/message';

type Body = NonNullable<wire.Message['body']>;

/**
 * On which connection a message belongs (safety.md 16): all append-entries and their answers in one
 * order, and with them what else carries entries; nothing that is urgent waits behind these.
 */
export function connectionOf({ type }: Pick<Message, 'type'>): 'control' | 'log' {
  return logMessages.has(type) ? 'log' : 'control';
}

const logMessages: ReadonlySet<Message['type']> = new Set([
  'append-entries',
  'append-entries-response',
  'log-range',
]);

/** The only group; others stay possible on the wire (safety.md, bytes to have). */
const onlyGroup = 0;

export function encodeMessage(message: Message): Uint8Array {
  return encode(wire.Message, messageToWire(message));
}

export function messageToWire(message: Message): wire.Message {
  const { from, to, term, type } = message;
  if (to === from) violated(`a message leaves its sender (${type})`);
  return { from, to, term, group: onlyGroup, body: toBody(message) };
}

/**
 * Throws `corrupt` on bytes that are no message, `version-mismatch` on a kind that is not known.
 */
export function decodeMessage(bytes: Uint8Array): Message {
  try {
    return messageFromWire(wire.Message.decode(bytes));
  } catch (error) {
    if (error instanceof HoldfastError) throw error;
    throw new HoldfastError('corrupt', `a peer's message does not decode: ${messageOf(error)}`, {
      cause: error,
    });
  }
}

export function encodeSnapshotMeta(meta: SnapshotMeta): wire.SnapshotMeta {
  return { last: meta.last, configuration: encodeConfiguration(meta.configuration) };
}

/** Throws `corrupt`. */
export function decodeSnapshotMeta(meta: wire.SnapshotMeta | undefined): SnapshotMeta {
  const { last, configuration } = present(meta, 'snapshot');
  try {
    return { last: fromLogId(last), configuration: decodeConfiguration(configuration) };
  } catch (error) {
    throw new HoldfastError('corrupt', "a snapshot's configuration does not decode", {
      cause: error,
    });
  }
}

function toBody(message: Message): Body {
  switch (message.type) {
    case 'pre-vote-request':
      return { $case: 'preVoteRequest', value: { lastLog: message.lastLog } };
    case 'pre-vote-response': {
      const { granted, requestTerm } = message;
      return { $case: 'preVoteResponse', value: { granted, requestTerm } };
    }
    case 'vote-request': {
      const { lastLog, transfer } = message;
      return { $case: 'voteRequest', value: { lastLog, transfer } };
    }
    case 'vote-response':
      return { $case: 'voteResponse', value: { granted: message.granted } };
    case 'append-entries': {
      const { previous, commit, isNotice, repairTarget } = message;
      const entries = message.entries.map(entryToWire);
      return {
        $case: 'appendEntries',
        value: { previous, entries, commit, isNotice, repairTarget: repairTarget ?? 0 },
      };
    }
    case 'append-entries-response':
      return { $case: 'appendEntriesResponse', value: toAppendResponse(message) };
    case 'heartbeat': {
      const { commit, round, freshStampMs, freshCommit } = message;
      return { $case: 'heartbeat', value: { commit, round, freshStampMs, freshCommit } };
    }
    case 'heartbeat-response': {
      const { round, stampMs } = message;
      const { disk, doubted } = toFitness(message);
      return { $case: 'heartbeatResponse', value: { round, stampMs, disk, doubted } };
    }
    case 'install-snapshot':
      return {
        $case: 'installSnapshot',
        value: { snapshot: encodeSnapshotMeta(message.snapshot) },
      };
    case 'read-index-request':
      return { $case: 'readIndexRequest', value: { requestId: message.requestId } };
    case 'read-index-response': {
      const { requestId, readIndex } = message;
      return { $case: 'readIndexResponse', value: { requestId, readIndex: readIndex ?? 0 } };
    }
    case 'timeout-now':
      return { $case: 'timeoutNow', value: {} };
    case 'resigned':
      return { $case: 'resigned', value: {} };
    case 'term-request':
      return { $case: 'termRequest', value: {} };
    case 'term-response':
      return { $case: 'termResponse', value: { lost: message.lost } };
    case 'log-range-request': {
      const { requestId, previous, end } = message;
      return { $case: 'logRangeRequest', value: { requestId, previous, end } };
    }
    case 'log-range':
      return { $case: 'logRange', value: toLogRange(message) };
    default:
      return unreachable(message);
  }
}

/** Throws as decodeMessage does. */
export function messageFromWire(message: wire.Message): Message {
  const { body } = message;
  if (message.group !== onlyGroup) {
    throw new HoldfastError('version-mismatch', `group ${message.group} is not known here`);
  }
  if (body === undefined) {
    throw new HoldfastError('version-mismatch', 'a peer sent a kind of message not known here');
  }
  return fromBody(body, {
    from: memberId(message.from),
    to: memberId(message.to),
    term: term(message.term),
  });
}

/** Field by field: a spread of the header costs more than all the rest of a small message. */
function fromBody(
  body: Body,
  { from, to, term: sentIn }: Pick<Message, 'from' | 'to' | 'term'>,
): Message {
  switch (body.$case) {
    case 'preVoteRequest':
      return {
        type: 'pre-vote-request',
        from,
        to,
        term: sentIn,
        lastLog: fromLogId(body.value.lastLog),
      };
    case 'preVoteResponse': {
      const { granted, requestTerm } = body.value;
      return {
        type: 'pre-vote-response',
        from,
        to,
        term: sentIn,
        granted,
        requestTerm: term(requestTerm),
      };
    }
    case 'voteRequest': {
      const { lastLog, transfer } = body.value;
      return {
        type: 'vote-request',
        from,
        to,
        term: sentIn,
        lastLog: fromLogId(lastLog),
        transfer,
      };
    }
    case 'voteResponse':
      return { type: 'vote-response', from, to, term: sentIn, granted: body.value.granted };
    case 'appendEntries': {
      const { previous, entries, commit, isNotice, repairTarget } = body.value;
      const message: AppendEntries = {
        type: 'append-entries',
        from,
        to,
        term: sentIn,
        previous: fromLogId(previous),
        entries: entries.map(entryFromWire),
        commit: index(commit),
        isNotice,
      };
      return repairTarget === 0 ? message : { ...message, repairTarget: index(repairTarget) };
    }
    case 'appendEntriesResponse':
      return withFitness(fromAppendResponse(body.value, { from, to, term: sentIn }), body.value);
    case 'heartbeat': {
      const { commit, round, freshStampMs, freshCommit } = body.value;
      return {
        type: 'heartbeat',
        from,
        to,
        term: sentIn,
        commit: index(commit),
        round,
        freshStampMs,
        freshCommit: index(freshCommit),
      };
    }
    case 'heartbeatResponse': {
      const { round, stampMs } = body.value;
      const type = 'heartbeat-response';
      return withFitness({ type, from, to, term: sentIn, round, stampMs }, body.value);
    }
    case 'installSnapshot':
      return {
        type: 'install-snapshot',
        from,
        to,
        term: sentIn,
        snapshot: decodeSnapshotMeta(body.value.snapshot),
      };
    case 'readIndexRequest':
      return {
        type: 'read-index-request',
        from,
        to,
        term: sentIn,
        requestId: requestId(body.value.requestId),
      };
    case 'readIndexResponse': {
      const { readIndex } = body.value;
      return {
        type: 'read-index-response',
        from,
        to,
        term: sentIn,
        requestId: requestId(body.value.requestId),
        readIndex: readIndex === 0 ? undefined : index(readIndex),
      };
    }
    case 'timeoutNow':
      return { type: 'timeout-now', from, to, term: sentIn };
    case 'resigned':
      return { type: 'resigned', from, to, term: sentIn };
    case 'termRequest':
      return { type: 'term-request', from, to, term: sentIn };
    case 'termResponse':
      return { type: 'term-response', from, to, term: sentIn, lost: body.value.lost };
    case 'logRangeRequest': {
      const { previous, end } = body.value;
      return {
        type: 'log-range-request',
        from,
        to,
        term: sentIn,
        requestId: requestId(body.value.requestId),
        previous: fromLogId(previous),
        end: fromLogId(end),
      };
    }
    case 'logRange':
      return { type: 'log-range', from, to, term: sentIn, ...fromLogRange(body.value) };
    default:
      return unreachable(body);
  }
}

const kindNumbers: Readonly<Record<EntryKind, number>> = { command: 1, empty: 2, membership: 3 };
const kinds: readonly (EntryKind | undefined)[] = [undefined, 'command', 'empty', 'membership'];

export function entryToWire(entry: Entry): wire.Entry {
  const { index, term, kind, payload } = entry;
  return { index, term, kind: kindNumbers[kind], payload };
}

/** An unknown kind is never skipped: it would leave a hole in the log. */
export function entryFromWire(entry: wire.Entry): Entry {
  const kind = kinds[entry.kind];
  if (kind === undefined) {
    throw new HoldfastError('version-mismatch', `entry kind ${entry.kind} is not known here`);
  }
  return { index: index(entry.index), term: term(entry.term), kind, payload: entry.payload };
}

const resultNumbers = { success: 1, rejected: 2, repairing: 3 } as const;

function toAppendResponse(message: AppendEntriesResponse): wire.AppendEntriesResponse {
  const result = resultNumbers[message.result];
  const { disk, doubted } = toFitness(message);
  const isRejected = message.result === 'rejected';
  return {
    result,
    match: isRejected ? 0 : message.match,
    disk,
    doubted,
    previous: isRejected ? message.previous : undefined,
    conflictTerm: isRejected ? message.conflictTerm : 0,
    conflictFirst: isRejected ? message.conflictFirst : 0,
    last: isRejected ? message.last : 0,
  };
}

function fromAppendResponse(
  value: wire.AppendEntriesResponse,
  { from, to, term: sentIn }: Pick<Message, 'from' | 'to' | 'term'>,
): AppendEntriesResponse {
  const type = 'append-entries-response';
  switch (value.result) {
    case resultNumbers.success:
      return { type, from, to, term: sentIn, result: 'success', match: index(value.match) };
    case resultNumbers.repairing:
      return { type, from, to, term: sentIn, result: 'repairing', match: index(value.match) };
    case resultNumbers.rejected:
      return {
        type,
        from,
        to,
        term: sentIn,
        result: 'rejected',
        previous: fromLogId(value.previous),
        conflictTerm: term(value.conflictTerm),
        conflictFirst: index(value.conflictFirst),
        last: index(value.last),
      };
    default:
      throw new HoldfastError('version-mismatch', `append result ${value.result} is not known`);
  }
}

const diskStates = ['well', 'low', 'unable'] as const;

type Answer = HeartbeatResponse | AppendEntriesResponse;
type WireFitness = { readonly disk: number; readonly doubted: boolean };

const toFitness = ({ disk = 'well', doubted }: Answer): WireFitness => ({
  disk: diskStates.indexOf(disk),
  doubted: doubted ?? false,
});

/** A state that a later version knows is no better than the worst known here. */
function withFitness<M extends Answer>(message: M, { disk, doubted }: WireFitness): M {
  if (disk === 0 && !doubted) return message;
  return {
    ...message,
    ...(disk !== 0 && { disk: diskStates[disk] ?? 'unable' }),
    ...(doubted && { doubted: true as const }),
  };
}

const rangeNumbers = { entries: 1, unknown: 2, snapshot: 3 } as const;

function toLogRange(message: LogRange): wire.LogRange {
  const { requestId, result } = message;
  const entries = result === 'entries' ? message.entries.map(entryToWire) : [];
  return { requestId, result: rangeNumbers[result], entries };
}

type RangeResult<R extends LogRange = LogRange> = R extends R
  ? Omit<R, 'type' | 'from' | 'to' | 'term'>
  : never;

function fromLogRange(value: wire.LogRange): RangeResult {
  const id = requestId(value.requestId);
  switch (value.result) {
    case rangeNumbers.entries:
      return { requestId: id, result: 'entries', entries: value.entries.map(entryFromWire) };
    case rangeNumbers.unknown:
      return { requestId: id, result: 'unknown' };
    case rangeNumbers.snapshot:
      return { requestId: id, result: 'snapshot' };
    default:
      throw new HoldfastError('version-mismatch', `range result ${value.result} is not known`);
  }
}

function fromLogId(id: wire.LogId | undefined): LogId {
  const { index: at, term: inTerm } = present(id, 'log id');
  return { index: index(at), term: term(inTerm) };
}

function present<T>(value: T | undefined, name: string): T {
  if (value === undefined) throw new HoldfastError('corrupt', `a peer's message lacks its ${name}`);
  return value;
}
