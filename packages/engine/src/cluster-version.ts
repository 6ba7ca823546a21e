// The version of the entries that a cluster may write: the lowest that its members understand
// (safety.md, "bytes to have"). The leader raises it when the last old member has been replaced;
// what needs the new one is refused until then, with the names of those that hold it back.
import { HoldfastError } from '@holdfast/base/errors';
import type { MemberId } from '@holdfast/base/ids';

/**
 * The newest kind of entry that this code understands: 2 = leases and sessions, 3 = a lease is
 * known by the entry that granted it, 4 = members come and go, 5 = quotas, and states are
 * compared, 6 = commands share entries, 7 = commands are refused that were allowed by other access
 * rules, 8 = and those whose answers would be too large.
 */
export const knownVersion = 8;
export const leasesVersion = 2;
export const membersVersion = 4;
export const quotasVersion = 5;
export const integrityVersion = 5;
export const groupsVersion = 6;
export const accessVersion = 7;

/** What is refused below a version, as a message begins. */
const needs: Readonly<Record<number, string>> = {
  [leasesVersion]: 'leases and sessions need',
  [membersVersion]: 'changes of members need',
  [quotasVersion]: 'quotas and comparisons of states need',
  [accessVersion]: 'users, roles and permissions need',
};

export type VersionView = {
  readonly clusterVersion: number;
  members(): readonly { readonly memberId: bigint; readonly version: number }[];
};

/** The version to propose, or undefined: the cluster has the newest that it can have. */
export function raisedVersion(
  store: VersionView,
  configured: readonly MemberId[],
): number | undefined {
  for (let version = knownVersion; version > store.clusterVersion; version -= 1) {
    if (heldBackBy(store, configured, version).length === 0) return version;
  }
  return undefined;
}

export type VersionNeed = {
  readonly version: number;
  readonly configured: readonly MemberId[];
  readonly nameOf: (id: MemberId) => string;
};

/**
 * Whether a moment may mend it: no member is too old, but one has yet to say what it knows, or the
 * leader has yet to say that all do.
 */
export function isAboutToRise(
  store: VersionView,
  { version, configured }: Pick<VersionNeed, 'version' | 'configured'>,
): boolean {
  if (store.clusterVersion >= version) return false;
  const here = new Set<bigint>(configured);
  return store.members().every((one) => one.version >= version || !here.has(one.memberId));
}

/** Throws `failed-precondition` while what needs that version can not be written. */
export function requireVersion(
  store: VersionView,
  { version, configured, nameOf }: VersionNeed,
): void {
  if (store.clusterVersion >= version) return;
  const names = heldBackBy(store, configured, version).map(nameOf);
  throw new HoldfastError(
    'failed-precondition',
    `${needs[version] ?? 'this needs'} every member to run a version that knows them; ` +
      (names.length > 0
        ? `not yet: ${names.join(', ')}`
        : 'all do, and the leader is about to say so: try again in a moment'),
    { details: { heldBackBy: names, clusterVersion: store.clusterVersion } },
  );
}

/** Members of the configuration that have not said that they know `version`; no others count. */
function heldBackBy(
  store: VersionView,
  configured: readonly MemberId[],
  version: number,
): readonly MemberId[] {
  const bound = store.members().filter((one) => one.version >= version);
  const knows = new Set<bigint>(bound.map((one) => one.memberId));
  return configured.filter((id) => !knows.has(id));
}
