// The users, roles and permissions of one revision, and what they allow. Read from all keys of the
// access keyspace at once and never changed: another revision is another object. What a user may do
// is worked out when it is asked for first.
import { HoldfastError } from '@holdfast/base/errors';
import type { KeyValue } from '@holdfast/proto/internal';
import { AccessError } from './access-error.ts';
import { parseAccessKey } from './access-key.ts';
import {
  decodePassword,
  decodeRole,
  decodeUser,
  type PasswordRecord,
  type RoleRecord,
  type UserRecord,
} from './access-record.ts';
import { Coverage, type Permission, type Span, spanOf } from './permission.ts';
import type { ProvenUser, Subject } from './subject.ts';

export const rootName = 'root';

/** What one user may do. */
export type Grant = {
  /** It may do everything. */
  readonly isRoot: boolean;
  readonly reads: Coverage;
  readonly writes: Coverage;
};

type Kv = Pick<KeyValue, 'key' | 'value' | 'modRevision'>;

export class AccessRules {
  /** Of the gate: that of the rules in force; 0 while access control is off. */
  readonly revision: number;
  /** As entries carry it. */
  readonly revisionId: bigint;
  /** Of the last change, whether access control was on or not; 0: there was none. */
  readonly changedAt: number;
  /** Tokens are signed with it; undefined while access control is off. */
  readonly secret: Uint8Array | undefined;
  readonly #users: ReadonlyMap<string, Uint8Array>;
  readonly #roles: ReadonlyMap<string, Uint8Array>;
  readonly #passwords: ReadonlyMap<string, Kv>;
  readonly #grants = new Map<string, Grant>();

  /** `kvs`: all keys of the keyspace. Throws `corrupt`, `version-mismatch`. */
  constructor(kvs: readonly Kv[]) {
    const sorted = sortedOut(kvs);
    this.revision = sorted.singles.get('gate')?.modRevision ?? 0;
    this.revisionId = BigInt(this.revision);
    this.changedAt = sorted.singles.get('revision')?.modRevision ?? 0;
    this.secret = sorted.singles.get('secret')?.value;
    this.#users = sorted.users;
    this.#roles = sorted.roles;
    this.#passwords = sorted.passwords;
  }

  get isOn(): boolean {
    return this.revision > 0;
  }

  get userNames(): readonly string[] {
    return [...this.#users.keys()];
  }

  get roleNames(): readonly string[] {
    return [...this.#roles.keys()];
  }

  user(name: string): UserRecord | undefined {
    const record = this.#users.get(name);
    return record && decodeUser(record);
  }

  role(name: string): RoleRecord | undefined {
    const record = this.#roles.get(name);
    return record && decodeRole(record);
  }

  /** With the revision at which it was set; undefined: there is no such user, or it has none. */
  password(
    name: string,
  ): { readonly record: PasswordRecord; readonly revision: number } | undefined {
    const kv = this.#passwords.get(name);
    return kv && { record: decodePassword(kv.value), revision: kv.modRevision };
  }

  hasPassword(name: string): boolean {
    return this.#passwords.has(name);
  }

  /** What that user may do now; throws where the proof does not count any more. */
  grantOf(user: ProvenUser): Grant {
    const { name, passwordRevision } = user;
    if (!this.#users.has(name)) {
      throw new AccessError(passwordRevision === undefined ? 'denied' : 'proof-ended');
    }
    const isOver =
      passwordRevision !== undefined && this.#passwords.get(name)?.modRevision !== passwordRevision;
    if (isOver) throw new AccessError('proof-ended');
    const known = this.#grants.get(name);
    if (known) return known;
    const grant = this.#newGrant(name);
    this.#grants.set(name, grant);
    return grant;
  }

  /** The grant of whoever asks; undefined: everything is allowed. Throws for nobody. */
  grantFor(subject: Subject | undefined): Grant | undefined {
    if (!this.isOn || subject === 'own') return undefined;
    if (!subject) throw new AccessError('nobody-asks');
    const grant = this.grantOf(subject);
    return grant.isRoot ? undefined : grant;
  }

  /** Throws unless the subject may do everything. */
  requireRoot(subject: Subject | undefined): void {
    if (this.grantFor(subject)) throw new AccessError('denied');
  }

  #newGrant(name: string): Grant {
    const roles = this.user(name)?.roles ?? [];
    const permissions = roles.flatMap((role) => this.role(role)?.permissions ?? []);
    return {
      isRoot: roles.includes(rootName),
      reads: coverageOf(permissions, 'write'),
      writes: coverageOf(permissions, 'read'),
    };
  }
}

export const noRules = new AccessRules([]);

/** Of all permissions but those that are for the other thing alone. */
const coverageOf = (permissions: readonly Permission[], other: 'read' | 'write'): Coverage =>
  new Coverage(
    permissions
      .filter(({ kind }) => kind !== other)
      .map(({ key, rangeEnd }): Span => spanOf(key, rangeEnd)),
  );

function sortedOut(kvs: readonly Kv[]) {
  const singles = new Map<string, Kv>();
  const users = new Map<string, Uint8Array>();
  const roles = new Map<string, Uint8Array>();
  const passwords = new Map<string, Kv>();
  for (const kv of kvs) {
    const parsed = parseAccessKey(kv.key);
    if (parsed.kind === 'user') users.set(parsed.name, kv.value);
    else if (parsed.kind === 'role') roles.set(parsed.name, kv.value);
    else if (parsed.kind === 'password') passwords.set(parsed.name, kv);
    else singles.set(parsed.kind, kv);
  }
  if (singles.has('gate') && !singles.has('secret')) {
    throw new HoldfastError('corrupt', 'access control is on, and there is no secret for tokens');
  }
  return { singles, users, roles, passwords };
}
