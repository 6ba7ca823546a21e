// What users, roles and permissions are refused with: a closed list, so that the door for etcd's
// clients can say each in etcd's words.
import { type ErrorCode, HoldfastError } from '@holdfast/base/errors';

const table = {
  'not-on': ['failed-precondition', 'access control is off'],
  'nobody-asks': ['unauthenticated', 'access control is on: say who you are'],
  'proof-ended': ['unauthenticated', 'the token or password does not count (any more)'],
  'wrong-password': ['unauthenticated', 'there is no such user, or the password is another one'],
  denied: ['permission-denied', 'this user may not do that'],
  'root-user-missing': ['failed-precondition', 'there is no user root'],
  'root-role-missing': ['failed-precondition', 'the user root does not have the role root'],
  'root-protected': [
    'failed-precondition',
    'while access control is on, user and role root stay as they are',
  ],
  'user-empty': ['invalid-argument', 'the name of a user is empty'],
  'user-exists': ['already-exists', 'there is a user of that name'],
  'user-missing': ['not-found', 'there is no user of that name'],
  'role-empty': ['invalid-argument', 'the name of a role is empty'],
  'role-exists': ['already-exists', 'there is a role of that name'],
  'role-missing': ['not-found', 'there is no role of that name'],
  'role-not-granted': ['failed-precondition', 'the user does not have that role'],
  'permission-missing': ['invalid-argument', 'no permission was named'],
  'permission-invalid': ['invalid-argument', 'a permission has a key, and ends behind it'],
  'permission-not-granted': ['failed-precondition', 'the role does not have that permission'],
} as const satisfies Readonly<Record<string, readonly [ErrorCode, string]>>;

export type AccessReason = keyof typeof table;

export class AccessError extends HoldfastError {
  readonly reason: AccessReason;

  /** `message`: where it can be told more exactly than the list does. */
  constructor(reason: AccessReason, message: string = table[reason][1]) {
    super(table[reason][0], message, { details: { reason } });
    this.reason = reason;
  }
}
