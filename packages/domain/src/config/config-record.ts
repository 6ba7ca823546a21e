// The records of a configuration and their bytes. A record is JSON with a format number first, so
// that a person can read a dump and a later version can tell what it reads; contents lie elsewhere.
import { toText, utf8 } from '@holdfast/base/bytes';
import { HoldfastError } from '@holdfast/base/errors';
import { type Revision, revision } from '@holdfast/base/ids';
import type { KeyValue } from '@holdfast/proto/internal';
import { type ConfigKey, parseConfigKey } from './config-key.ts';
import { type ConfigFormat, configFormats } from './format.ts';

/** One change of a configuration. A rollback is a publication that names where it came from. */
export type ConfigVersion = {
  readonly kind: 'publish' | 'rollback' | 'delete';
  /** Counts the changes of this configuration from 1; never used twice, not even after a delete. */
  readonly version: number;
  readonly format: ConfigFormat;
  /** SHA-256 in hexadecimal digits; undefined for a delete. */
  readonly contentHash: string | undefined;
  readonly contentBytes: number;
  /** Wall clock of the member that took the request: for display, never for order. */
  readonly publishedAtMs: number;
  readonly actor: string;
  readonly comment: string;
  /** The version that a rollback brought back. */
  readonly restoredVersion: number | undefined;
};

/** A version and where it stands in the store's history. */
export type PlacedVersion = ConfigVersion & { readonly revision: Revision };

/** The present state of a configuration that was published at least once. */
export type ConfigState = {
  readonly key: ConfigKey;
  /** False: deleted. Its versions are still there. */
  readonly live: boolean;
  /** The newest version. */
  readonly latest: PlacedVersion;
  /** The oldest version that is kept; all from it to the newest are. */
  readonly firstVersion: number;
};

/** What a reader gets. */
export type Configuration = ConfigKey &
  PlacedVersion & { readonly kind: 'publish' | 'rollback'; readonly contentHash: string };

const recordFormat = 1;

/** The bytes of a version's record; with `firstVersion` those of a head or tombstone. */
export function encodeVersion(record: ConfigVersion, firstVersion?: number): Uint8Array {
  const { kind, version, format, contentHash, contentBytes, restoredVersion } = record;
  return utf8(
    JSON.stringify({
      recordFormat,
      kind,
      version,
      firstVersion,
      format,
      contentHash,
      contentBytes,
      publishedAtMs: record.publishedAtMs,
      actor: record.actor,
      comment: record.comment,
      restoredVersion,
    }),
  );
}

/** Throws `version-mismatch` for a format of a later version, `corrupt` for what is no record. */
export function decodeVersion(kv: KeyValue): PlacedVersion {
  return readVersion(readFields(kv.value), kv.modRevision);
}

/** The state that a head or a tombstone holds. */
export function decodeState(kv: KeyValue): ConfigState {
  const fields = readFields(kv.value);
  const latest = readVersion(fields, kv.modRevision);
  return {
    key: parseConfigKey(kv.key).key,
    live: latest.kind !== 'delete',
    latest,
    firstVersion: natural(fields, 'firstVersion'),
  };
}

/** The state's item for readers; undefined when it is deleted. */
export function configurationOf(key: ConfigKey, placed: PlacedVersion): Configuration | undefined {
  const { kind, contentHash } = placed;
  if (kind === 'delete' || contentHash === undefined) return undefined;
  return { ...key, ...placed, kind, contentHash };
}

function readFields(value: Uint8Array): Record<string, unknown> {
  const fields = parseJson(toText(value));
  if (typeof fields !== 'object' || fields === null) throw corrupt('it is no object');
  const known = fields as Record<string, unknown>;
  if (known.recordFormat === recordFormat) return known;
  throw new HoldfastError(
    'version-mismatch',
    `a configuration record has format ${String(known.recordFormat)}; ` +
      `this version reads ${recordFormat}`,
  );
}

function readVersion(fields: Record<string, unknown>, modRevision: number): PlacedVersion {
  const { kind, format, contentHash, restoredVersion } = fields;
  if (kind !== 'publish' && kind !== 'rollback' && kind !== 'delete') throw corrupt('its kind');
  const knownFormat = configFormats.find((one) => one === format);
  if (!knownFormat) throw corrupt('its format');
  return {
    kind,
    version: natural(fields, 'version'),
    format: knownFormat,
    contentHash: contentHash === undefined ? undefined : text(fields, 'contentHash'),
    contentBytes: natural(fields, 'contentBytes'),
    publishedAtMs: natural(fields, 'publishedAtMs'),
    actor: text(fields, 'actor'),
    comment: text(fields, 'comment'),
    restoredVersion: restoredVersion === undefined ? undefined : natural(fields, 'restoredVersion'),
    revision: revision(modRevision),
  };
}

function natural(fields: Record<string, unknown>, name: string): number {
  const value = fields[name];
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) return value;
  throw corrupt(name);
}

function text(fields: Record<string, unknown>, name: string): string {
  const value = fields[name];
  if (typeof value === 'string') return value;
  throw corrupt(name);
}

function parseJson(value: string): unknown {
  try {
    return JSON.parse(value);
  } catch (cause) {
    throw new HoldfastError('corrupt', 'a configuration record is not JSON', { cause });
  }
}

const corrupt = (what: string): HoldfastError =>
  new HoldfastError('corrupt', `a configuration record cannot be read: ${what}`);
