// Commands and log entries for tests of the store, in few words.
import { index, term } from '@holdfast/base/ids';
import { encodeEntryEnvelope } from '@holdfast/proto/entry-envelope';
import {
  Command,
  type CommandResult,
  type Compare,
  type DeleteRangeRequest,
  type PutRequest,
  type RangeRequest,
  type RequestOp,
} from '@holdfast/proto/internal';
import { type AppliedEntry, KvStore, type KvStoreOptions } from './kv-store.ts';

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

export function payload(body: Uint8Array, proposedAtMs: number): Uint8Array {
  return encodeEntryEnvelope({
    proposedAtMs,
    sessionId: 0n,
    sequence: 0n,
    pendingSpan: 0,
    traceId: 0n,
    authRevision: 0n,
    actor: 'test',
    body,
  });
}

export const entry = (at: number, command: Command, proposedAtMs = at): AppliedEntry => ({
  index: index(at),
  term: term(1),
  kind: 'command',
  payload: payload(Command.encode(command).finish(), proposedAtMs),
});

export const newStore = (options: Partial<KvStoreOptions> = {}): KvStore =>
  new KvStore({ yieldNow, ...options });

/** Applies commands one by one behind what the store has; answers the last result. */
export function applyAll(store: KvStore, ...commands: readonly Command[]): CommandResult {
  let last: CommandResult | undefined;
  for (const command of commands) {
    const at = store.appliedIndex + 1;
    last = store.apply([entry(at, command, Math.max(at, store.lastProposedAtMs))])[0];
  }
  if (!last) throw new Error('nothing was applied');
  return last;
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
