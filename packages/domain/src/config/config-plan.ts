// Publish, delete and rollback as plans: from the state that was read to one transaction that pins
// that state, or to "nothing to do". Everything is decided inside the transaction:
//
// - Two changes of one configuration meet at its head (or tombstone): the second one's compare
// fails
//   and its caller plans again.
// - A content is shared by all versions with its hash. Each version owns a reference key of its
// own,
//   so publications of different configurations never collide. The content is written where it is
//   absent, and deleted with a reference only if no other reference stands, before or after it in
//   key order. Both are nested compares at apply, one transaction after the other: no gap between
//   the look and the act, and nothing to count.
import { assert } from '@holdfast/base/assert';
import { utf8 } from '@holdfast/base/bytes';
import { HoldfastError } from '@holdfast/base/errors';
import type { Compare, RequestOp, TxnRequest } from '@holdfast/proto/internal';
import {
  compareAbsent,
  compareModRevision,
  deleteOperation,
  type KeyRange,
  putOperation,
  txnOperation,
  txnRequest,
} from '../requests.ts';
import { type ConfigCondition, requireCondition } from './config-condition.ts';
import {
  type ConfigKey,
  contentRange,
  describeConfigKey,
  foreignReferences,
  headRange,
  oneVersion,
  ownReferences,
  referenceRange,
  tombstoneRange,
  versionRange,
} from './config-key.ts';
import { type ConfigState, type ConfigVersion, encodeVersion } from './config-record.ts';
import type { ConfigFormat } from './format.ts';

/** Versions kept of each configuration, the present one included. */
export const historyDefault = 100;
/** A transaction stays below etcd's 128 operations: what is left is pruned by the next change. */
export const prunedMax = 32;
export const commentBytesMax = 1024;

/** Who changes what, on top of which state, and what that makes obsolete. */
export type ChangeBase = {
  readonly key: ConfigKey;
  /** As read; undefined = never published. */
  readonly state: ConfigState | undefined;
  readonly condition: ConfigCondition;
  readonly actor: string;
  readonly comment: string;
  readonly wallMs: number;
  /** The versions of `pruneRange`, as read with the state. */
  readonly obsolete: readonly ConfigVersion[];
};

export type PublishChange = ChangeBase & {
  readonly content: Uint8Array;
  readonly contentHash: string;
  readonly format: ConfigFormat;
  /** Makes a new version even of the content and format that are there already. */
  readonly force: boolean;
};

export type RollbackChange = ChangeBase & { readonly target: ConfigVersion };

export type ConfigPlan =
  | { readonly type: 'unchanged'; readonly state: ConfigState }
  | { readonly type: 'write'; readonly txn: TxnRequest; readonly record: ConfigVersion };

/** The versions that the next change of a configuration pushes out; undefined = none. */
export function pruneRange(
  state: ConfigState | undefined,
  historyMax: number,
): { readonly lo: number; readonly hi: number } | undefined {
  if (!state) return undefined;
  const lo = state.firstVersion;
  const hi = Math.min(state.latest.version + 2 - historyMax, lo + prunedMax);
  return hi > lo ? { lo, hi } : undefined;
}

/** A content that is there already, in the same format, is no change unless `force` is set. */
export function planPublish(change: PublishChange): ConfigPlan {
  const { key, state, content, contentHash, format } = change;
  requireCondition(key, state, change.condition);
  const { latest } = state ?? {};
  const isSame = latest?.contentHash === contentHash && latest.format === format;
  if (state?.live && isSame && !change.force) return { type: 'unchanged', state };
  const record = recordOf(change, {
    kind: 'publish',
    format,
    contentHash,
    contentBytes: content.length,
    restoredVersion: undefined,
  });
  const store = writeContent(contentHash, content);
  return { type: 'write', record, txn: transactionOf(change, record, [store]) };
}

/** Publishes an older version's content again; throws `invalid-argument` if that was a delete. */
export function planRollback(change: RollbackChange): ConfigPlan {
  const { key, state, target } = change;
  requireCondition(key, state, change.condition);
  if (target.contentHash === undefined) {
    throw new HoldfastError(
      'invalid-argument',
      `version ${target.version} of ${describeConfigKey(key)} is a delete and has no content`,
    );
  }
  if (state?.live && state.latest.version === target.version) return { type: 'unchanged', state };
  const record = recordOf(change, {
    kind: 'rollback',
    format: target.format,
    contentHash: target.contentHash,
    contentBytes: target.contentBytes,
    restoredVersion: target.version,
  });
  // The content is there: the target's reference is, as long as the state that the guard pins.
  return { type: 'write', record, txn: transactionOf(change, record, []) };
}

/** Ends the configuration; its versions stay, the delete is one of them. Throws `not-found`. */
export function planDelete(change: ChangeBase): ConfigPlan {
  const { key, state } = change;
  requireCondition(key, state, change.condition);
  if (!state?.live) {
    throw new HoldfastError('not-found', `${describeConfigKey(key)} does not exist`);
  }
  const record = recordOf(change, {
    kind: 'delete',
    format: state.latest.format,
    contentHash: undefined,
    contentBytes: 0,
    restoredVersion: undefined,
  });
  return { type: 'write', record, txn: transactionOf(change, record, []) };
}

type RecordKind = Pick<
  ConfigVersion,
  'kind' | 'format' | 'contentHash' | 'contentBytes' | 'restoredVersion'
>;

function recordOf(change: ChangeBase, kind: RecordKind): ConfigVersion {
  requireComment(change.comment);
  return {
    ...kind,
    version: (change.state?.latest.version ?? 0) + 1,
    publishedAtMs: Math.max(0, Math.floor(change.wallMs)),
    actor: change.actor,
    comment: change.comment,
  };
}

function requireComment(comment: string): void {
  if (utf8(comment).length <= commentBytesMax) return;
  throw new HoldfastError('invalid-argument', `a comment has at most ${commentBytesMax} bytes`);
}

function transactionOf(
  change: ChangeBase,
  record: ConfigVersion,
  content: readonly RequestOp[],
): TxnRequest {
  const { key, state } = change;
  const firstVersion = (change.obsolete.at(-1)?.version ?? (state?.firstVersion ?? 1) - 1) + 1;
  const live = record.kind !== 'delete';
  const success: RequestOp[] = [
    putOperation(live ? headRange(key) : tombstoneRange(key), encodeVersion(record, firstVersion)),
    putOperation(oneVersion(key, record.version), encodeVersion(record)),
  ];
  if (state && state.live !== live) {
    success.push(deleteOperation(state.live ? headRange(key) : tombstoneRange(key)));
  }
  if (record.contentHash !== undefined) {
    const reference = referenceRange(record.contentHash, key, record.version);
    success.push(putOperation(reference, referenceValue(record.contentBytes)));
  }
  success.push(...content, ...prune(change, record.contentHash));
  return txnRequest({ compare: guard(key, state), success });
}

/** How long the content is, as f64: what the reference counts for in a quota. */
function referenceValue(contentBytes: number): Uint8Array {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setFloat64(0, contentBytes, true);
  return bytes;
}

/** Pins the state: no other change of this configuration may have come in between. */
function guard(key: ConfigKey, state: ConfigState | undefined): Compare[] {
  if (!state) return [compareAbsent(headRange(key)), compareAbsent(tombstoneRange(key))];
  const range = state.live ? headRange(key) : tombstoneRange(key);
  return [compareModRevision(range, '=', state.latest.revision)];
}

function writeContent(hash: string, content: Uint8Array): RequestOp {
  const range = contentRange(hash);
  return txnOperation(
    txnRequest({ compare: [compareAbsent(range)], success: [putOperation(range, content)] }),
  );
}

function prune(change: ChangeBase, newHash: string | undefined): RequestOp[] {
  const { key, obsolete } = change;
  const first = obsolete[0];
  if (!first) return [];
  const versions = { lo: first.version, hi: first.version + obsolete.length };
  assert(obsolete.at(-1)?.version === versions.hi - 1, 'obsolete versions stand in a row');
  const hashes = new Set(obsolete.flatMap(({ contentHash }) => contentHash ?? []));
  return [
    deleteOperation(versionRange(key, versions.lo, versions.hi)),
    ...[...hashes].flatMap((hash) => [
      deleteOperation(ownReferences(hash, key, versions)),
      ...(hash === newHash ? [] : [dropContent(hash, foreignReferences(hash, key, versions))]),
    ]),
  ];
}

/** Deletes the content if nobody else refers to it. */
function dropContent(hash: string, others: readonly KeyRange[]): RequestOp {
  return txnOperation(
    txnRequest({
      compare: others.map((range) => compareAbsent(range)),
      success: [deleteOperation(contentRange(hash))],
    }),
  );
}
