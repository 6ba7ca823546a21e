// What a configuration is called, and where its parts lie in the key space. Names are checked once,
// at their making; a ConfigKey that exists is a legal one.
//
// Keyspace 2, `0` is a zero byte, which no name can hold:
//   c 0 namespace 0 group 0 name                     head of a live configuration
//   t 0 namespace 0 group 0 name                     tombstone of a deleted one
//   v 0 namespace 0 group 0 name 0 version           one change: who, when, what
//   b 0 hash                                         a content, once, by its SHA-256
//   r 0 hash namespace 0 group 0 name 0 version      "this version needs that content"
// The version is a big-endian uint64, so that byte order is the order of versions.
import { assert } from '@holdfast/base/assert';
import { concatBytes, prefixEnd, toTextStrict, utf8 } from '@holdfast/base/bytes';
import { HoldfastError } from '@holdfast/base/errors';
import { spaceNameFault, textFault } from '@holdfast/base/space-name';
import type { KeyRange } from '../requests.ts';

export const configKeyspace = 2;

/** Bytes of UTF-8. */
export const configNameBytesMax = 1024;

export type ConfigKey = {
  readonly namespace: string;
  readonly group: string;
  readonly name: string;
};

export type ConfigFilter = {
  readonly namespace?: string | undefined;
  readonly group?: string | undefined;
  readonly name?: string | undefined;
  /** Names that begin with it. */
  readonly prefix?: string | undefined;
};

const zero = new Uint8Array([0]);
const versionBytes = 8;
const hashBytes = 32;

/** Throws `invalid-argument`, naming the part and what is wrong with it. */
export function configKey(namespace: string, group: string, name: string): ConfigKey {
  requireSpaceName('namespace', namespace);
  requireSpaceName('group', group);
  requireConfigName(name);
  return { namespace, group, name };
}

/** The same rules for the parts of a filter that are set. */
export function configFilter(filter: ConfigFilter): ConfigFilter {
  if (filter.namespace !== undefined) requireSpaceName('namespace', filter.namespace);
  if (filter.group !== undefined) requireSpaceName('group', filter.group);
  if (filter.name !== undefined) requireConfigName(filter.name);
  if (filter.prefix !== undefined) requireText('prefix', filter.prefix, configNameBytesMax);
  return filter;
}

/** For people: `namespace/group/name`. */
export const describeConfigKey = (key: ConfigKey): string =>
  `${key.namespace}/${key.group}/${key.name}`;

export function matchesFilter(filter: ConfigFilter, key: ConfigKey): boolean {
  return (
    (filter.namespace ?? key.namespace) === key.namespace &&
    (filter.group ?? key.group) === key.group &&
    (filter.name ?? key.name) === key.name &&
    key.name.startsWith(filter.prefix ?? '')
  );
}

export const headRange = (key: ConfigKey): KeyRange => oneKey('c', key);
export const tombstoneRange = (key: ConfigKey): KeyRange => oneKey('t', key);

/**
 * The smallest range of heads (`c`) or versions (`v`) in which all that the filter matches lies.
 */
export function filterRange(kind: 'c' | 'v', filter: ConfigFilter): KeyRange {
  const parts = [filter.namespace, filter.group, filter.name];
  const known = parts.indexOf(undefined) < 0 ? 3 : parts.indexOf(undefined);
  const fixed = parts.slice(0, known).flatMap((part) => [zero, utf8(part as string)]);
  if (known === 3 && kind === 'c') return range(concatBytes(utf8(kind), ...fixed));
  const tail = known === 2 ? utf8(filter.prefix ?? '') : new Uint8Array(0);
  return prefixRange(concatBytes(utf8(kind), ...fixed, zero, tail));
}

/** The keys of versions [lo, hi). */
export function versionRange(key: ConfigKey, lo: number, hi: number): KeyRange {
  return range(versionKey(key, lo), versionKey(key, hi));
}

export const oneVersion = (key: ConfigKey, version: number): KeyRange =>
  range(versionKey(key, version));

export const contentRange = (hash: string): KeyRange =>
  range(concatBytes(utf8('b'), zero, hashOf(hash)));

export const referenceRange = (hash: string, key: ConfigKey, version: number): KeyRange =>
  range(referenceKey(hash, key, version));

/**
 * All references to a content but those of `key`'s versions [lo, hi): two ranges, before and after.
 */
export function foreignReferences(
  hash: string,
  key: ConfigKey,
  versions: { readonly lo: number; readonly hi: number },
): readonly [before: KeyRange, after: KeyRange] {
  const all = concatBytes(utf8('r'), zero, hashOf(hash));
  return [
    range(all, referenceKey(hash, key, versions.lo)),
    range(referenceKey(hash, key, versions.hi), prefixEnd(all)),
  ];
}

/** The references of `key`'s versions [lo, hi) to a content. */
export function ownReferences(
  hash: string,
  key: ConfigKey,
  versions: { readonly lo: number; readonly hi: number },
): KeyRange {
  return range(referenceKey(hash, key, versions.lo), referenceKey(hash, key, versions.hi));
}

/**
 * The configuration that a head, tombstone or version key belongs to, and its version if it has
 * one.
 */
export function parseConfigKey(bytes: Uint8Array): {
  readonly key: ConfigKey;
  readonly version: number | undefined;
} {
  const kind = String.fromCharCode(bytes[0] ?? 0);
  const hasVersion = kind === 'v';
  const end = bytes.length - (hasVersion ? versionBytes + 1 : 0);
  const parts = end > 2 ? toTextStrict(bytes.subarray(2, end))?.split('\0') : undefined;
  const [namespace, group, name] = parts ?? [];
  if (namespace === undefined || group === undefined || name === undefined || parts?.length !== 3) {
    throw new HoldfastError('corrupt', 'a key of the configurations is not of their schema');
  }
  const version = hasVersion ? readVersion(bytes.subarray(end + 1)) : undefined;
  return { key: { namespace, group, name }, version };
}

function oneKey(kind: 'c' | 't', key: ConfigKey): KeyRange {
  return range(concatBytes(utf8(kind), zero, pathOf(key)));
}

function versionKey(key: ConfigKey, version: number): Uint8Array {
  return concatBytes(utf8('v'), zero, pathOf(key), zero, writeVersion(version));
}

function referenceKey(hash: string, key: ConfigKey, version: number): Uint8Array {
  const path = concatBytes(pathOf(key), zero, writeVersion(version));
  return concatBytes(utf8('r'), zero, hashOf(hash), path);
}

const pathOf = (key: ConfigKey): Uint8Array => utf8(`${key.namespace}\0${key.group}\0${key.name}`);

function range(key: Uint8Array, rangeEnd?: Uint8Array): KeyRange {
  const one = { keyspace: configKeyspace, key };
  return rangeEnd ? { ...one, rangeEnd } : one;
}

const prefixRange = (prefix: Uint8Array): KeyRange => range(prefix, prefixEnd(prefix));

function hashOf(hash: string): Uint8Array {
  assert(/^[0-9a-f]{64}$/.test(hash), 'a content is named by 64 hexadecimal digits');
  const bytes = new Uint8Array(hashBytes);
  for (let at = 0; at < hashBytes; at += 1) {
    bytes[at] = Number.parseInt(hash.slice(2 * at, 2 * at + 2), 16);
  }
  return bytes;
}

function writeVersion(version: number): Uint8Array {
  assert(Number.isSafeInteger(version) && version >= 0, `a version is natural (${version})`);
  const bytes = new Uint8Array(versionBytes);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(version));
  return bytes;
}

function readVersion(bytes: Uint8Array): number {
  return Number(new DataView(bytes.buffer, bytes.byteOffset, versionBytes).getBigUint64(0));
}

function requireSpaceName(what: 'namespace' | 'group', value: string): void {
  const fault = spaceNameFault(value);
  if (fault !== undefined) throw refused(what, fault);
}

/** Slashes make a name a path, as that of a file: no part of it may be empty, `.` or `..`. */
function requireConfigName(value: string): void {
  requireText('name', value, configNameBytesMax);
  if (value === '') throw refused('name', 'must not be empty');
  for (const part of value.split('/')) {
    if (part === '')
      throw refused('name', 'must not begin or end with a slash, nor hold two in a row');
    if (part === '.' || part === '..')
      throw refused('name', `must not contain "${part}" as a part`);
  }
}

function requireText(what: string, value: string, bytesMax: number): void {
  const fault = textFault(value, bytesMax);
  if (fault !== undefined) throw refused(what, fault);
}

function refused(what: string, why: string): HoldfastError {
  return new HoldfastError('invalid-argument', `the ${what} ${why}`, { details: { part: what } });
}
