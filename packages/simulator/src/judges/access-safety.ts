// What a client did and was told is what the access rules allow (rule 24): a write by those in
// force when it took effect, a read by those of the revision that it shows, an event by those of
// some moment from its revision to its delivery. And nobody is refused what all rules allow that
// were in force since the call began. Owns the rules by their revisions; works them out by itself,
// permission by permission, with none of the code that members judge with but the records' own.
import { compareBytes, utf8 } from '@holdfast/base/bytes';
import { parseAccessKey } from '@holdfast/domain/access-key';
import { decodeRole, decodeUser } from '@holdfast/domain/access-record';
import type { Permission } from '@holdfast/domain/permission';
import type { ProvenUser } from '@holdfast/domain/subject';
import { Violation } from './violation.ts';

/** A key of the access keyspace was written, or deleted (no value). */
export type AccessEvent = {
  readonly key: Uint8Array;
  readonly value: Uint8Array | undefined;
};

export type AccessAsk = {
  readonly subject: ProvenUser | undefined;
  readonly kind: 'read' | 'write';
  readonly key: string;
  /** Empty: the one key. */
  readonly rangeEnd?: string;
};

type Snapshot = {
  readonly revision: number;
  readonly isOn: boolean;
  readonly users: ReadonlyMap<string, readonly string[]>;
  readonly passwords: ReadonlyMap<string, number>;
  readonly roles: ReadonlyMap<string, readonly Permission[]>;
};

const none: Snapshot = {
  ...{ revision: 0, isOn: false },
  ...{ users: new Map(), passwords: new Map(), roles: new Map() },
};

export class AccessSafety {
  readonly counters = { accessChanges: 0, accessWrites: 0, accessReads: 0, accessRefusals: 0 };
  readonly #snapshots: Snapshot[] = [none];

  /** The rules changed at `revision`, which is above all before. */
  changed(revision: number, events: readonly AccessEvent[]): void {
    this.counters.accessChanges += 1;
    const last = this.#snapshots.at(-1) as Snapshot;
    const next = {
      isOn: last.isOn,
      users: new Map(last.users),
      passwords: new Map(last.passwords),
      roles: new Map(last.roles),
    };
    for (const { key, value } of events) {
      const parsed = parseAccessKey(key);
      if (parsed.kind === 'gate') next.isOn = value !== undefined;
      else if (parsed.kind === 'user') {
        place(next.users, parsed.name, value && decodeUser(value).roles);
      } else if (parsed.kind === 'password') {
        place(next.passwords, parsed.name, value && revision);
      } else if (parsed.kind === 'role') {
        place(next.roles, parsed.name, value && decodeRole(value).permissions);
      }
    }
    this.#snapshots.push({ revision, ...next });
  }

  /** A write took effect at `revision`. */
  wrote(ask: AccessAsk, revision: number): void {
    this.counters.accessWrites += 1;
    if (isAllowed(this.#at(revision), ask)) return;
    throw new Violation('access-safety', `${describe(ask)} took effect at ${revision}`);
  }

  /** An answer showed the state of `revision`. */
  read(ask: AccessAsk, revision: number): void {
    this.counters.accessReads += 1;
    if (isAllowed(this.#at(revision), ask)) return;
    throw new Violation('access-safety', `${describe(ask)} was shown revision ${revision}`);
  }

  /** An event of `revision` was given by a member that had reached `reached`. */
  watched(ask: AccessAsk, { revision, reached }: { revision: number; reached: number }): void {
    this.counters.accessReads += 1;
    if (this.#between(revision, reached).some((one) => isAllowed(one, ask))) return;
    throw new Violation(
      'access-safety',
      `${describe(ask)} was given an event of ${revision} at ${reached}`,
    );
  }

  /** What began when `from` was known to be reached was refused, when `to` was the newest. */
  refused(ask: AccessAsk, { from, to }: { from: number; to: number }): void {
    this.counters.accessRefusals += 1;
    if (this.#between(from, to).some((one) => !isAllowed(one, ask))) return;
    throw new Violation(
      'access-safety',
      `${describe(ask)} was refused, and allowed from ${from} to ${to}`,
    );
  }

  #at(revision: number): Snapshot {
    return this.#snapshots.findLast((one) => one.revision <= revision) as Snapshot;
  }

  /** All that were in force at any of these revisions. */
  #between(from: number, to: number): readonly Snapshot[] {
    const first = this.#at(from);
    return this.#snapshots.filter((one) => one.revision >= first.revision && one.revision <= to);
  }
}

function place<T>(map: Map<string, T>, name: string, value: T | undefined): void {
  if (value === undefined) map.delete(name);
  else map.set(name, value);
}

function isAllowed({ isOn, users, passwords, roles }: Snapshot, ask: AccessAsk): boolean {
  if (!isOn) return true;
  const { subject } = ask;
  if (!subject) return false;
  const own = users.get(subject.name);
  if (!own || passwords.get(subject.name) !== subject.passwordRevision) return false;
  return own.some((role) => role === 'root' || roles.get(role)?.some((one) => covers(one, ask)));
}

/** By one permission: those that clients are given here touch no other. */
function covers({ kind, key, rangeEnd }: Permission, ask: AccessAsk): boolean {
  if (kind !== 'readwrite' && kind !== ask.kind) return false;
  const [lo, hi] = [utf8(ask.key), utf8(ask.rangeEnd ?? '')];
  if (rangeEnd.length === 0) return hi.length === 0 && compareBytes(key, lo) === 0;
  const isWithin =
    hi.length === 0 ? compareBytes(lo, rangeEnd) < 0 : compareBytes(hi, rangeEnd) <= 0;
  return compareBytes(key, lo) <= 0 && isWithin;
}

const describe = ({ subject, kind, key, rangeEnd }: AccessAsk): string => {
  const who = subject ? `${subject.name} by password ${subject.passwordRevision}` : 'nobody';
  return `a ${kind} of ${key}${rangeEnd ? ` to ${rangeEnd}` : ''} by ${who}`;
};

/** As it stands in what they write: judged when it takes effect, whoever hears of it. */
export const signed = (subject: ProvenUser | undefined, number: number): string =>
  `by-${subject?.name ?? ''}-${subject?.passwordRevision ?? 0}-${number}`;

/** Who has written that; undefined: it is not signed. */
export function signerOf(value: string): { readonly subject: ProvenUser | undefined } | undefined {
  const parts = /^by-([a-z]*)-(\d+)-\d+$/.exec(value);
  if (!parts) return undefined;
  const [, name = '', revision] = parts;
  return { subject: name === '' ? undefined : { name, passwordRevision: Number(revision) } };
}
