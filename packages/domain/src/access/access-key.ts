// Where users, roles and what is said of them lie in the key space.
//
// Keyspace 17, `0` is a zero byte:
//   g            the gate: there while access control is on. Written again by every change, so that
//                its mod revision is the revision of the rules in force; apply looks at it
//                (mvcc's access-gate.ts knows the same two numbers)
//   r            written by every change, also while access control is off
//   s            what the members sign tokens with; there while access control is on
//   u 0 name     a user        p 0 name     a user's password, if there is one
//   o 0 name     a role
import { concatBytes, toText, utf8 } from '@holdfast/base/bytes';
import { HoldfastError } from '@holdfast/base/errors';
import type { KeyRange } from '../requests.ts';

export const accessKeyspace = 17;

/** Bytes of UTF-8. */
const nameBytesMax = 256;

const one = (key: Uint8Array): KeyRange => ({ keyspace: accessKeyspace, key });

export const gateRange = one(utf8('g'));
export const revisionRange = one(utf8('r'));
export const secretRange = one(utf8('s'));

type NamedKind = 'u' | 'p' | 'o';

const named = (kind: NamedKind, name: string): KeyRange =>
  one(concatBytes(utf8(`${kind}\0`), utf8(name)));

export const userRange = (name: string): KeyRange => named('u', name);
export const passwordRange = (name: string): KeyRange => named('p', name);
export const roleRange = (name: string): KeyRange => named('o', name);

/** All of it: few and small, so that it is always read as a whole. */
export const allRange: KeyRange = { ...one(new Uint8Array([1])), rangeEnd: new Uint8Array([0]) };

export type AccessKey =
  | { readonly kind: 'gate' | 'revision' | 'secret' }
  | { readonly kind: 'user' | 'password' | 'role'; readonly name: string };

const singles: Readonly<Record<string, 'gate' | 'revision' | 'secret'>> = {
  g: 'gate',
  r: 'revision',
  s: 'secret',
};
const kinds: Readonly<Record<string, 'user' | 'password' | 'role'>> = {
  u: 'user',
  p: 'password',
  o: 'role',
};

/** Throws `version-mismatch` for a key of a later version. */
export function parseAccessKey(key: Uint8Array): AccessKey {
  const letter = String.fromCharCode(key[0] ?? 0);
  const single = key.length === 1 ? singles[letter] : undefined;
  if (single) return { kind: single };
  const kind = key[1] === 0 ? kinds[letter] : undefined;
  if (kind) return { kind, name: toText(key.subarray(2)) };
  throw new HoldfastError('version-mismatch', 'a key of the access rules is of a later version');
}

/** Of a name that is given now; those that were given before stay. Throws `invalid-argument`. */
export function requireName(what: 'user' | 'role', name: string): void {
  if (utf8(name).length > nameBytesMax) {
    throw invalid(`the name of a ${what} has at most ${nameBytesMax} bytes`);
  }
  // Neither a header nor a line of a log or of a list can hold them as they are.
  if (/\p{Cc}/u.test(name)) throw invalid(`the name of a ${what} has no control characters`);
}

const invalid = (message: string): HoldfastError => new HoldfastError('invalid-argument', message);
