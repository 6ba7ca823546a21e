// Whether somebody may do what is asked for, by the rules of one revision. Every door asks here,
// and nowhere else; what is asked for is a request as it stands in the log. The keyspace that
// clients see is dealt out by permissions; configurations may be read by every user and changed by
// root; what is kept elsewhere is root's.
import type { Command, TxnRequest } from '@holdfast/proto/internal';
import { configKeyspace } from '../config/config-key.ts';
import { AccessError } from './access-error.ts';
import type { AccessRules, Grant } from './access-rules.ts';
import { spanOf } from './permission.ts';
import type { Subject } from './subject.ts';

/** Its keyspace, and etcd's way to say where it begins and ends. */
export type Ranged = {
  readonly keyspace: number;
  readonly key: Uint8Array;
  readonly rangeEnd: Uint8Array;
};
type Keyed = Omit<Ranged, 'rangeEnd'>;
type Request = NonNullable<Command['request']>;

/** The keys that hang on a lease now. */
export type KeysOfLease = (id: bigint) => readonly Keyed[];

/** Of etcd's clients and `/v1/kv`. */
const clientKeyspace = 1;
const oneKey = new Uint8Array(0);

/** Throws an AccessError; so do all here. */
export function judgeRead(rules: AccessRules, subject: Subject | undefined, range: Ranged): void {
  const grant = rules.grantFor(subject);
  if (grant) requireRead(grant, range);
}

/** Whether every one of these keys may be read. */
export function judgeKeys(
  rules: AccessRules,
  subject: Subject | undefined,
  keys: Iterable<Keyed>,
): void {
  const grant = rules.grantFor(subject);
  if (!grant) return;
  for (const one of keys) requireRead(grant, { ...one, rangeEnd: oneKey });
}

/** To keep a lease alive, or to end it, is to write what hangs on it. */
export function judgeLease(
  rules: AccessRules,
  subject: Subject | undefined,
  keys: Iterable<Keyed>,
): void {
  const grant = rules.grantFor(subject);
  if (grant) requireWriteAll(grant, keys);
}

export function judgeCommand(
  rules: AccessRules,
  subject: Subject | undefined,
  { request, keysOf }: { readonly request: Request; readonly keysOf: KeysOfLease },
): void {
  const grant = rules.grantFor(subject);
  if (grant) judgeRequest(grant, request, keysOf);
}

function judgeRequest(grant: Grant, request: Request, keysOf: KeysOfLease): void {
  switch (request.$case) {
    case 'put':
    case 'deleteRange':
    case 'txn':
      return judgeOperation(grant, request, keysOf);
    case 'leaseRevoke':
      return requireWriteAll(grant, keysOf(request.value.id));
    case 'leaseGrant':
    case 'sessionRegister':
    case 'sessionKeepAlive':
    case 'sessionClose':
      return; // Any user's.
    default:
      throw new AccessError('denied');
  }
}

type Operation = NonNullable<TxnRequest['success'][number]['request']>;

function judgeOperation(grant: Grant, operation: Operation, keysOf: KeysOfLease): void {
  switch (operation.$case) {
    case 'range':
      return requireRead(grant, operation.value);
    case 'put':
      return judgePut(grant, operation.value, keysOf);
    case 'deleteRange':
      requireWrite(grant, operation.value);
      if (operation.value.prevKv) requireRead(grant, operation.value);
      return;
    case 'txn':
      return judgeTxn(grant, operation.value, keysOf);
  }
}

/** Both branches, whichever will be taken: what it compares and reads it learns, too. */
function judgeTxn(
  grant: Grant,
  { compare, success, failure }: TxnRequest,
  keysOf: KeysOfLease,
): void {
  for (const one of compare) requireRead(grant, one);
  for (const { request } of [...success, ...failure]) {
    if (request) judgeOperation(grant, request, keysOf);
  }
}

type Put = Extract<Operation, { readonly $case: 'put' }>['value'];

/** Who hangs a key on a lease must be able to end it: nobody could undo it otherwise (as etcd). */
function judgePut(grant: Grant, put: Put, keysOf: KeysOfLease): void {
  const { keyspace, key, lease } = put;
  const one = { keyspace, key, rangeEnd: oneKey };
  requireWrite(grant, one);
  if (put.prevKv) requireRead(grant, one);
  if (lease !== 0n) requireWriteAll(grant, keysOf(lease));
}

function requireRead(grant: Grant, { keyspace, key, rangeEnd }: Ranged): void {
  if (keyspace === configKeyspace) return;
  const isAllowed = keyspace === clientKeyspace && grant.reads.covers(spanOf(key, rangeEnd));
  if (!isAllowed) throw new AccessError('denied', 'this user may not read that');
}

function requireWrite(grant: Grant, { keyspace, key, rangeEnd }: Ranged): void {
  const isAllowed = keyspace === clientKeyspace && grant.writes.covers(spanOf(key, rangeEnd));
  if (!isAllowed) throw new AccessError('denied', 'this user may not write that');
}

function requireWriteAll(grant: Grant, keys: Iterable<Keyed>): void {
  for (const one of keys) requireWrite(grant, { ...one, rangeEnd: oneKey });
}
