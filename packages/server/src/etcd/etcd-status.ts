// Errors in etcd's own words: its clients compare whole sentences, and take some for a reason to
// try again (the texts of etcd's api/v3rpc/rpctypes). What etcd has no sentence for is said in
// ours.
import type { ErrorCode, HoldfastError } from '@holdfast/base/errors';
import { AccessError, type AccessReason } from '@holdfast/domain/access-error';

import { errorTable, operatingErrorOf } from '../errors.ts';
import { GrpcStatus, type StatusCode, statusCodes } from '../grpc/status.ts';

const { failedPrecondition, invalidArgument, notFound, outOfRange } = statusCodes;
const { permissionDenied, resourceExhausted, unauthenticated, unavailable } = statusCodes;

const row = (code: StatusCode, text: string) => ({ code, text: `etcdserver: ${text}` });

/** What a client may have done wrong, or meets. */
const sentences = {
  emptyKey: row(invalidArgument, 'key is not provided'),
  keyNotFound: row(invalidArgument, 'key not found'),
  valueProvided: row(invalidArgument, 'value is provided'),
  leaseProvided: row(invalidArgument, 'lease is provided'),
  tooManyOps: row(invalidArgument, 'too many operations in txn request'),
  duplicateKey: row(invalidArgument, 'duplicate key given in txn request'),
  invalidSort: row(invalidArgument, 'invalid sort option'),
  tooLarge: row(invalidArgument, 'request is too large'),
  compacted: row(outOfRange, 'mvcc: required revision has been compacted'),
  futureRevision: row(outOfRange, 'mvcc: required revision is a future revision'),
  noSpace: row(resourceExhausted, 'mvcc: database space exceeded'),
  tooManyRequests: row(resourceExhausted, 'too many requests'),
  leaseNotFound: row(notFound, 'requested lease not found'),
  leaseExists: row(failedPrecondition, 'lease already exists'),
  leaseTtlTooLarge: row(outOfRange, 'too large lease TTL'),
  noLeader: row(unavailable, 'no leader'),
  timedOut: row(unavailable, 'request timed out'),
  leaderFailed: row(unavailable, 'request timed out, possibly due to previous leader failure'),
  stopped: row(unavailable, 'server stopped'),
  notLeader: row(failedPrecondition, 'not leader'),
  badTransferee: row(failedPrecondition, 'bad leader transferee'),
  noDowngrade: row(failedPrecondition, 'no inflight downgrade job'),
  memberNotFound: row(notFound, 'member not found'),
  memberUrlExists: row(failedPrecondition, 'Peer URLs already exists'),
  memberBadUrls: row(invalidArgument, 'given member URLs are invalid'),
  notLearner: row(failedPrecondition, 'can only promote a learner member'),
  learnerNotReady: row(
    failedPrecondition,
    'can only promote a learner member which is in sync with leader',
  ),
  notEnoughStarted: row(
    failedPrecondition,
    're-configuration failed due to not enough started members',
  ),
  rootUserMissing: row(failedPrecondition, 'root user does not exist'),
  rootRoleMissing: row(failedPrecondition, 'root user does not have root role'),
  userExists: row(failedPrecondition, 'user name already exists'),
  userEmpty: row(invalidArgument, 'user name is empty'),
  userMissing: row(failedPrecondition, 'user name not found'),
  roleExists: row(failedPrecondition, 'role name already exists'),
  roleEmpty: row(invalidArgument, 'role name is empty'),
  roleMissing: row(failedPrecondition, 'role name not found'),
  authFailed: row(invalidArgument, 'authentication failed, invalid user ID or password'),
  permissionDenied: row(permissionDenied, 'permission denied'),
  permissionMissing: row(invalidArgument, 'permission not given'),
  roleNotGranted: row(failedPrecondition, 'role is not granted to the user'),
  permissionNotGranted: row(failedPrecondition, 'permission is not granted to the role'),
  authNotOn: row(failedPrecondition, 'authentication is not enabled'),
  invalidToken: row(unauthenticated, 'invalid auth token'),
  invalidManagement: row(invalidArgument, 'invalid auth management'),
  authChanged: row(invalidArgument, 'revision of auth store is old'),
} as const;

export type EtcdSentence = keyof typeof sentences;

export function etcdStatus(sentence: EtcdSentence): GrpcStatus {
  const { code, text } = sentences[sentence];
  return new GrpcStatus(code, text);
}

const sentenceOfCode: Partial<Record<ErrorCode, EtcdSentence>> = {
  compacted: 'compacted',
  'future-revision': 'futureRevision',
  'quota-exceeded': 'noSpace',
  'disk-full': 'noSpace',
  'too-large': 'tooLarge',
  'resource-exhausted': 'tooManyRequests',
  'no-leader': 'noLeader',
  'no-quorum': 'noLeader',
  'not-leader': 'noLeader',
  'access-changed': 'authChanged',
  'leadership-lost': 'leaderFailed',
  'deadline-exceeded': 'timedOut',
  'shutting-down': 'stopped',
};

/** What the engine says of several things with one code, and etcd in a sentence each. */
const sentenceOfText: readonly (readonly [ErrorCode, string, EtcdSentence])[] = [
  ['not-found', 'requested lease not found', 'leaseNotFound'],
  ['not-found', 'the key whose value or lease is kept does not exist', 'keyNotFound'],
  ['already-exists', 'lease already exists', 'leaseExists'],
  ['invalid-argument', 'a transaction writes the same key twice', 'duplicateKey'],
];

/** As etcd says what users, roles and permissions are refused with. */
const sentenceOfReason: Readonly<Record<AccessReason, EtcdSentence>> = {
  'not-on': 'authNotOn',
  'nobody-asks': 'userEmpty',
  'proof-ended': 'invalidToken',
  'wrong-password': 'authFailed',
  denied: 'permissionDenied',
  'root-user-missing': 'rootUserMissing',
  'root-role-missing': 'rootRoleMissing',
  'root-protected': 'invalidManagement',
  'user-empty': 'userEmpty',
  'user-exists': 'userExists',
  'user-missing': 'userMissing',
  'role-empty': 'roleEmpty',
  'role-exists': 'roleExists',
  'role-missing': 'roleMissing',
  'role-not-granted': 'roleNotGranted',
  'permission-missing': 'permissionMissing',
  'permission-invalid': 'invalidManagement',
  'permission-not-granted': 'permissionNotGranted',
};

/** Why a watcher is cancelled, as etcd's clients compare it: the text of the error in Go. */
export function cancelReasonOf(error: AccessError): string {
  const { code, message } = etcdStatusOf(error);
  return `rpc error: code = ${goNames[code]} desc = ${message}`;
}

const goNames: Partial<Record<StatusCode, string>> = {
  [invalidArgument]: 'InvalidArgument',
  [permissionDenied]: 'PermissionDenied',
  [unauthenticated]: 'Unauthenticated',
};

/** Of anything that a call has failed with. */
export function etcdStatusOf(thrown: unknown): GrpcStatus {
  if (thrown instanceof AccessError) return etcdStatus(sentenceOfReason[thrown.reason]);
  const error: HoldfastError = operatingErrorOf(thrown);
  const sentence = sentenceOfCode[error.code] ?? sentenceByText(error);
  if (sentence) return etcdStatus(sentence);
  return new GrpcStatus(errorTable[error.code].grpcStatus as StatusCode, error.message);
}

function sentenceByText({ code, message }: HoldfastError): EtcdSentence | undefined {
  const known = sentenceOfText.find(([of, text]) => of === code && message.startsWith(text));
  return known?.[2];
}
