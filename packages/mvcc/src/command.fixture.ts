// Commands and log entries for tests of the store, in few words.
import { index, term } from '@holdfast/base/ids';
import {
  encodeEntryEnvelope,
  encodeEntryGroup,
  stampEntryEnvelope,
} from '@holdfast/proto/entry-envelope';
import {
  Command,
  type CommandResult,
  type Compare,
  type DeleteRangeRequest,
  MemberStanding,
  type PutRequest,
  type RangeRequest,
  type RequestOp,
} from '@holdfast/proto/internal';
import type { EntryResult } from './applier.ts';
import { type AppliedEntry, KvStore, type KvStoreOptions } from './kv-store.ts';
import type { SessionPlace } from './session-table.ts';

type CommandRequest = NonNullable<Command['request']>;

const noBytes = new Uint8Array(0);
export const bytes = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, 'latin1'));
export const text = (value: Uint8Array): string => Buffer.from(value).toString('latin1');

/** A turn of the microtask queue: tests need no real event loop between slices. */
export const yieldNow = (): Promise<void> => Promise.resolve();

export const putRequest = (
  key: string,
  value: string,
  more: Partial<PutRequest> = {},
): PutRequest => ({
  keyspace: 1,
  key: bytes(key),
  value: bytes(value),
  lease: 0n,
  prevKv: false,
  ignoreValue: false,
  ignoreLease: false,
  ...more,
});

export const deleteRequest = (
  key: string,
  rangeEnd = '',
  more: Partial<DeleteRangeRequest> = {},
): DeleteRangeRequest => ({
  keyspace: 1,
  key: bytes(key),
  rangeEnd: bytes(rangeEnd),
  prevKv: false,
  ...more,
});

export const rangeRequest = (
  key: string,
  rangeEnd = '',
  more: Partial<RangeRequest> = {},
): RangeRequest => ({
  keyspace: 1,
  key: bytes(key),
  rangeEnd: bytes(rangeEnd),
  limit: 0,
  revision: 0,
  keysOnly: false,
  countOnly: false,
  ...more,
});

export const put = (key: string, value: string, more: Partial<PutRequest> = {}): Command => ({
  request: { $case: 'put', value: putRequest(key, value, more) },
});

export const del = (
  key: string,
  rangeEnd = '',
  more: Partial<DeleteRangeRequest> = {},
): Command => ({
  request: { $case: 'deleteRange', value: deleteRequest(key, rangeEnd, more) },
});

export const compact = (revision: number): Command => ({
  request: { $case: 'compact', value: { revision } },
});

export const txn = (
  compare: readonly Compare[],
  success: readonly RequestOp[],
  failure: readonly RequestOp[] = [],
): Command => ({
  request: {
    $case: 'txn',
    value: { compare: [...compare], success: [...success], failure: [...failure] },
  },
});

/** The command as an operation of a transaction. */
export function op(command: Command): RequestOp {
  const request = command.request;
  if (request?.$case !== 'put' && request?.$case !== 'deleteRange' && request?.$case !== 'txn') {
    throw new Error(`${request?.$case} is no operation of a transaction`);
  }
  return { request };
}

export const rangeOp = (
  key: string,
  rangeEnd = '',
  more: Partial<RangeRequest> = {},
): RequestOp => ({ request: { $case: 'range', value: rangeRequest(key, rangeEnd, more) } });

export const compare = (
  key: string,
  target: NonNullable<Compare['target']>,
  more: Partial<Compare> = {},
): Compare => ({
  keyspace: 1,
  key: bytes(key),
  rangeEnd: noBytes,
  result: 0,
  target,
  ...more,
});

/** The command of any kind by its name. */
export const command = <Case extends CommandRequest['$case']>(
  $case: Case,
  value: Extract<CommandRequest, { readonly $case: Case }>['value'],
): Command => ({ request: { $case, value } as CommandRequest });

export const grant = (id: bigint, ttlMs = 10_000): Command => command('leaseGrant', { id, ttlMs });
export const revoke = (id: bigint): Command => command('leaseRevoke', { id, judgedAt: 0 });
export const register = (id: bigint, ttlMs = 10_000): Command =>
  command('sessionRegister', { id, ttlMs });

const bind = (version: number): Command =>
  command('bindMember', {
    memberId: 1n,
    storeId: 2n,
    name: 'n1',
    peerAddresses: [],
    clientAddresses: [],
    version,
    standing: MemberStanding.JOINED,
  });

/** What brings a store to that cluster version: 2 has leases and sessions, 3 grants by index. */
export const raiseTo = (version: number): readonly Command[] => [
  bind(version),
  command('clusterVersion', { version, memberIds: [] }),
];

export function payload(
  body: Uint8Array,
  proposedAtMs: number,
  place: SessionPlace = outside,
): Uint8Array {
  return encodeEntryEnvelope({
    proposedAtMs,
    sessionId: place.sessionId,
    sequence: place.sequence,
    pendingSpan: place.pendingSpan,
    traceId: 0n,
    authRevision: 0n,
    actor: 'test',
    body,
  });
}

/** The payload of an entry that the commands share. */
export function groupOf(timeMs: number, ...commands: readonly Command[]): Uint8Array {
  const group = encodeEntryGroup(commands.map((one) => payload(Command.encode(one).finish(), 0)));
  stampEntryEnvelope(group, timeMs);
  return group;
}

export const entry = (at: number, command: Command, proposedAtMs = at): AppliedEntry => ({
  index: index(at),
  term: term(1),
  kind: 'command',
  payload: payload(Command.encode(command).finish(), proposedAtMs),
});

const outside: SessionPlace = { sessionId: 0n, sequence: 0n, pendingSpan: 0 };

/** How an entry stands in the log; by default as applyAll writes it. */
export type EntryPlace = {
  readonly term?: number;
  readonly timeMs?: number;
  readonly session?: SessionPlace;
};

/** The command as the next entry of the store's log. */
export function nextEntry(store: KvStore, command: Command, place: EntryPlace = {}): AppliedEntry {
  const at = store.appliedIndex + 1;
  const timeMs = place.timeMs ?? Math.max(at, store.lastProposedAtMs);
  return {
    index: index(at),
    term: term(place.term ?? 1),
    kind: 'command',
    payload: payload(Command.encode(command).finish(), timeMs, place.session),
  };
}

export function applyAt(store: KvStore, place: EntryPlace, command: Command): CommandResult {
  return resultOf(store.apply([nextEntry(store, command, place)])[0]);
}

/** Of an entry with one command. */
export function resultOf(result: EntryResult | undefined): CommandResult {
  if (!result || !('revision' in result)) throw new Error('a command has one result');
  return result;
}

export const newStore = (options: Partial<KvStoreOptions> = {}): KvStore =>
  new KvStore({ yieldNow, ...options });

/** Applies commands one by one behind what the store has; answers the last result. */
export function applyAll(store: KvStore, ...commands: readonly Command[]): CommandResult {
  let last: CommandResult | undefined;
  for (const command of commands) last = applyAt(store, {}, command);
  if (!last) throw new Error('nothing was applied');
  return last;
}

/** A store that knows leases and sessions. */
export function newStoreAtTwo(options: Partial<KvStoreOptions> = {}): KvStore {
  const store = newStore(options);
  applyAll(store, ...raiseTo(2));
  return store;
}

/** A store that knows each lease by its grant. */
export function newStoreAtThree(options: Partial<KvStoreOptions> = {}): KvStore {
  const store = newStore(options);
  applyAll(store, ...raiseTo(3));
  return store;
}

/** The code of a failed command, or undefined. */
export const failureCode = (result: CommandResult): string | undefined =>
  result.response?.$case === 'failure' ? result.response.value.code : undefined;

export async function collect(chunks: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  for await (const chunk of chunks) parts.push(chunk);
  return new Uint8Array(Buffer.concat(parts));
}

/** The bytes again as chunks of `size`. */
export async function* chunked(whole: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < whole.length; at += size) yield whole.subarray(at, at + size);
}
