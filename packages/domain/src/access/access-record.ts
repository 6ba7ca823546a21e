// The records of users, passwords and roles, and their bytes: JSON with a format number first, as
// those of configurations. Keys of permissions are written in hexadecimal digits.
import { toText, utf8 } from '@holdfast/base/bytes';
import { HoldfastError } from '@holdfast/base/errors';
import type { Permission, PermissionKind } from './permission.ts';

export type UserRecord = {
  /** Sorted. */
  readonly roles: readonly string[];
};

/** How a password is known again. What it is itself stands nowhere. */
export type PasswordRecord = {
  readonly algorithm: 'scrypt';
  readonly cost: number;
  readonly blockSize: number;
  readonly parallelization: number;
  readonly salt: Uint8Array;
  readonly hash: Uint8Array;
};

export type RoleRecord = {
  /** Sorted by their keys. */
  readonly permissions: readonly Permission[];
};

const recordFormat = 1;
const kinds: readonly PermissionKind[] = ['read', 'write', 'readwrite'];

export const encodeUser = ({ roles }: UserRecord): Uint8Array => toBytes({ roles });

export function decodeUser(value: Uint8Array): UserRecord {
  const { roles } = fieldsOf(value);
  if (!Array.isArray(roles) || !roles.every((role) => typeof role === 'string')) throw corrupt();
  return { roles };
}

export function encodePassword(record: PasswordRecord): Uint8Array {
  const { algorithm, cost, blockSize, parallelization } = record;
  const [salt, hash] = [toHex(record.salt), toHex(record.hash)];
  return toBytes({ algorithm, cost, blockSize, parallelization, salt, hash });
}

export function decodePassword(value: Uint8Array): PasswordRecord {
  const { algorithm, cost, blockSize, parallelization, salt, hash } = fieldsOf(value);
  if (algorithm !== 'scrypt') throw newer('a password');
  return {
    algorithm,
    cost: natural(cost),
    blockSize: natural(blockSize),
    parallelization: natural(parallelization),
    salt: fromHex(salt),
    hash: fromHex(hash),
  };
}

export const encodeRole = ({ permissions }: RoleRecord): Uint8Array =>
  toBytes({
    permissions: permissions.map(({ kind, key, rangeEnd }) => ({
      kind,
      key: toHex(key),
      rangeEnd: toHex(rangeEnd),
    })),
  });

export function decodeRole(value: Uint8Array): RoleRecord {
  const { permissions } = fieldsOf(value);
  if (!Array.isArray(permissions)) throw corrupt();
  return { permissions: permissions.map(permissionOf) };
}

function permissionOf(value: unknown): Permission {
  const { kind, key, rangeEnd } = value as Record<string, unknown>;
  const known = kinds.find((one) => one === kind);
  if (!known) throw corrupt();
  return { kind: known, key: fromHex(key), rangeEnd: fromHex(rangeEnd) };
}

const toBytes = (fields: object): Uint8Array => utf8(JSON.stringify({ recordFormat, ...fields }));

function fieldsOf(value: Uint8Array): Record<string, unknown> {
  const fields = parsed(value);
  if (typeof fields !== 'object' || fields === null) throw corrupt();
  const known = fields as Record<string, unknown>;
  if (known.recordFormat !== recordFormat) throw newer('an access record');
  return known;
}

function parsed(value: Uint8Array): unknown {
  try {
    return JSON.parse(toText(value));
  } catch (cause) {
    throw corrupt({ cause });
  }
}

function natural(value: unknown): number {
  if (typeof value === 'number' && Number.isSafeInteger(value) && value > 0) return value;
  throw corrupt();
}

const toHex = (bytes: Uint8Array): string =>
  Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');

function fromHex(text: unknown): Uint8Array {
  if (typeof text !== 'string' || !/^(?:[0-9a-f]{2})*$/.test(text)) throw corrupt();
  const bytes = new Uint8Array(text.length / 2);
  for (let at = 0; at < bytes.length; at += 1) {
    bytes[at] = Number.parseInt(text.slice(2 * at, 2 * at + 2), 16);
  }
  return bytes;
}

const corrupt = (options?: { readonly cause: unknown }): HoldfastError =>
  new HoldfastError('corrupt', 'an access record can not be read', options);

const newer = (what: string): HoldfastError =>
  new HoldfastError('version-mismatch', `${what} was written by a later version`);
