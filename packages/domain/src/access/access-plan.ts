// Every change of users, roles and permissions as a plan: from the rules that were read to one
// transaction that pins them, so that no two changes are ever made of the same state. It writes the
// revision, and the gate while access control is on: what was allowed by the rules before is then
// refused at apply, and judged again.
import { compareBytes } from '@holdfast/base/bytes';
import { HoldfastError } from '@holdfast/base/errors';
import type { RequestOp, TxnRequest } from '@holdfast/proto/internal';
import {
  compareModRevision,
  deleteOperation,
  putOperation,
  txnOperation,
  txnRequest,
} from '../requests.ts';
import { AccessError } from './access-error.ts';
import {
  gateRange,
  passwordRange,
  requireName,
  revisionRange,
  roleRange,
  secretRange,
  userRange,
} from './access-key.ts';
import {
  encodePassword,
  encodeRole,
  encodeUser,
  type PasswordRecord,
  type RoleRecord,
  type UserRecord,
} from './access-record.ts';
import { type AccessRules, rootName } from './access-rules.ts';
import { isPermissionRange, isSameRange, type Permission } from './permission.ts';

export type AccessChange =
  /** `secret`: 32 random bytes to sign tokens with. */
  | { readonly kind: 'enable'; readonly secret: Uint8Array }
  | { readonly kind: 'disable' }
  /** Without a password it is known by its certificate alone. */
  | {
      readonly kind: 'add-user';
      readonly name: string;
      readonly password: PasswordRecord | undefined;
    }
  | { readonly kind: 'delete-user'; readonly name: string }
  | {
      readonly kind: 'change-password';
      readonly name: string;
      readonly password: PasswordRecord;
    }
  | { readonly kind: 'grant-role'; readonly user: string; readonly role: string }
  | { readonly kind: 'revoke-role'; readonly user: string; readonly role: string }
  | { readonly kind: 'add-role'; readonly name: string }
  | { readonly kind: 'delete-role'; readonly name: string }
  | {
      readonly kind: 'grant-permission';
      readonly role: string;
      readonly permission: Permission | undefined;
    }
  | {
      readonly kind: 'revoke-permission';
      readonly role: string;
      readonly key: Uint8Array;
      readonly rangeEnd: Uint8Array;
    };

/** Users, roles and permissions of a role are always read as a whole. */
const usersMax = 10_000;
const rolesMax = 10_000;
const permissionsMax = 1000;
const nothing = new Uint8Array(0);

/** Undefined: it is so already. Throws an AccessError, `invalid-argument`, `resource-exhausted`. */
export function planAccess(rules: AccessRules, change: AccessChange): TxnRequest | undefined {
  const operations = operationsOf(rules, change);
  if (operations.length === 0) return undefined;
  const isOn = change.kind === 'enable' || (rules.isOn && change.kind !== 'disable');
  return txnRequest({
    compare: [compareModRevision(revisionRange, '=', rules.changedAt)],
    success: [
      putOperation(revisionRange, nothing),
      ...(isOn ? [putOperation(gateRange, nothing)] : []),
      ...operations,
    ],
  });
}

function operationsOf(rules: AccessRules, change: AccessChange): readonly RequestOp[] {
  switch (change.kind) {
    case 'enable':
      return enable(rules, change.secret);
    case 'disable':
      return rules.isOn ? [deleteOperation(gateRange), deleteOperation(secretRange)] : [];
    case 'add-user':
      return addUser(rules, change);
    case 'delete-user':
      return deleteUser(rules, change.name);
    case 'change-password':
      return changePassword(rules, change);
    case 'grant-role':
      return grantRole(rules, change);
    case 'revoke-role':
      return revokeRole(rules, change);
    case 'add-role':
      return addRole(rules, change.name);
    case 'delete-role':
      return deleteRole(rules, change.name);
    case 'grant-permission':
      return grantPermission(rules, change);
    case 'revoke-permission':
      return revokePermission(rules, change);
  }
}

type Change<Kind extends AccessChange['kind']> = Extract<AccessChange, { readonly kind: Kind }>;

function enable(rules: AccessRules, secret: Uint8Array): readonly RequestOp[] {
  if (rules.isOn) return [];
  const root = rules.user(rootName);
  if (!root) throw new AccessError('root-user-missing');
  if (!root.roles.includes(rootName)) throw new AccessError('root-role-missing');
  return [putOperation(secretRange, secret)];
}

function addUser(rules: AccessRules, { name, password }: Change<'add-user'>) {
  if (name === '') throw new AccessError('user-empty');
  requireName('user', name);
  if (rules.user(name)) throw new AccessError('user-exists');
  requireFew('users', rules.userNames.length, usersMax);
  return [
    putUser(name, { roles: [] }),
    ...(password ? [putOperation(passwordRange(name), encodePassword(password))] : []),
  ];
}

function deleteUser(rules: AccessRules, name: string): readonly RequestOp[] {
  if (rules.isOn && name === rootName) throw new AccessError('root-protected');
  requireUser(rules, name);
  return [deleteOperation(userRange(name)), deleteOperation(passwordRange(name))];
}

function changePassword(rules: AccessRules, { name, password }: Change<'change-password'>) {
  requireUser(rules, name);
  if (!rules.hasPassword(name)) {
    throw new HoldfastError(
      'failed-precondition',
      'this user is known by its certificate alone, and has no password to change',
    );
  }
  return [putOperation(passwordRange(name), encodePassword(password))];
}

function grantRole(rules: AccessRules, { user, role }: Change<'grant-role'>) {
  const { roles } = requireUser(rules, user);
  // Whoever has the role root may do everything, whether or not it was ever added (as in etcd).
  if (role !== rootName) requireRole(rules, role);
  return roles.includes(role) ? [] : [putUser(user, { roles: [...roles, role].sort() })];
}

function revokeRole(rules: AccessRules, { user, role }: Change<'revoke-role'>) {
  if (rules.isOn && user === rootName && role === rootName) throw new AccessError('root-protected');
  const { roles } = requireUser(rules, user);
  if (!roles.includes(role)) throw new AccessError('role-not-granted');
  return [putUser(user, { roles: roles.filter((one) => one !== role) })];
}

function addRole(rules: AccessRules, name: string): readonly RequestOp[] {
  if (name === '') throw new AccessError('role-empty');
  requireName('role', name);
  if (rules.role(name)) throw new AccessError('role-exists');
  requireFew('roles', rules.roleNames.length, rolesMax);
  return [putRole(name, { permissions: [] })];
}

/** Nobody has it any more: a role that is added under its name later is another one. */
function deleteRole(rules: AccessRules, name: string): readonly RequestOp[] {
  if (rules.isOn && name === rootName) throw new AccessError('root-protected');
  requireRole(rules, name);
  const holders = rules.userNames.flatMap((user) => {
    const roles = rules.user(user)?.roles ?? [];
    return roles.includes(name) ? [{ user, roles: roles.filter((one) => one !== name) }] : [];
  });
  return [
    deleteOperation(roleRange(name)),
    ...inBunches(holders.map(({ user, roles }) => putUser(user, { roles }))),
  ];
}

function grantPermission(rules: AccessRules, { role, permission }: Change<'grant-permission'>) {
  if (!permission) throw new AccessError('permission-missing');
  if (!isPermissionRange(permission.key, permission.rangeEnd)) {
    throw new AccessError('permission-invalid');
  }
  const { permissions } = requireRole(rules, role);
  const others = permissions.filter((one) => !isSameRange(one, permission));
  if (others.length < permissions.length) return [putSorted(role, [...others, permission])];
  requireFew('permissions of one role', permissions.length, permissionsMax);
  return [putSorted(role, [...permissions, permission])];
}

function revokePermission(rules: AccessRules, range: Change<'revoke-permission'>) {
  const { permissions } = requireRole(rules, range.role);
  const left = permissions.filter((one) => !isSameRange(one, range));
  if (left.length === permissions.length) throw new AccessError('permission-not-granted');
  return [putSorted(range.role, left)];
}

const putSorted = (role: string, permissions: readonly Permission[]): RequestOp =>
  putRole(role, {
    permissions: [...permissions].sort(
      (a, b) => compareBytes(a.key, b.key) || compareBytes(a.rangeEnd, b.rangeEnd),
    ),
  });

const putUser = (name: string, record: UserRecord): RequestOp =>
  putOperation(userRange(name), encodeUser(record));

const putRole = (name: string, record: RoleRecord): RequestOp =>
  putOperation(roleRange(name), encodeRole(record));

function requireUser(rules: AccessRules, name: string): UserRecord {
  const user = rules.user(name);
  if (!user) throw new AccessError('user-missing');
  return user;
}

function requireRole(rules: AccessRules, name: string): RoleRecord {
  const role = rules.role(name);
  if (!role) throw new AccessError('role-missing');
  return role;
}

function requireFew(what: string, count: number, max: number): void {
  if (count < max) return;
  throw new HoldfastError('resource-exhausted', `there are ${max} ${what} already`);
}

/** A transaction has 128 operations at most; what one holds within it counts against that, too. */
const bunch = 40;

function inBunches(operations: readonly RequestOp[]): readonly RequestOp[] {
  let level = operations;
  while (level.length > bunch) {
    const bunches: RequestOp[] = [];
    for (let at = 0; at < level.length; at += bunch) {
      bunches.push(txnOperation(txnRequest({ success: level.slice(at, at + bunch) })));
    }
    level = bunches;
  }
  return level;
}
