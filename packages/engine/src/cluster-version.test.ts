// Goal: a cluster rises to the version that knows leases when its last old member is gone, and says
// until then who holds it back. Method: states as a member may find them during an upgrade.
import { memberId } from '@holdfast/base/ids';
import { describe, expect, it } from 'vitest';
import {
  isAboutToRise,
  knownVersion,
  leasesVersion,
  raisedVersion,
  requireVersion,
  type VersionView,
} from './cluster-version.ts';

const ids = [1n, 2n, 3n].map(memberId);
const nameOf = (id: bigint): string => `n${id}`;

const stateOf = (clusterVersion: number, ...versions: readonly number[]): VersionView => ({
  clusterVersion,
  members: () => versions.map((version, at) => ({ memberId: BigInt(at + 1), version })),
});

describe('the version of a cluster', () => {
  it('rises when every member has said that it knows the new one', () => {
    expect(raisedVersion(stateOf(1, knownVersion, knownVersion, knownVersion), ids)).toBe(
      knownVersion,
    );
    expect(raisedVersion(stateOf(1, 3, 1, 3), ids)).toBeUndefined();
  });

  it('does not rise while one of the configuration has not been heard of', () => {
    expect(raisedVersion(stateOf(1, 2, 2), ids)).toBeUndefined();
  });

  it('rises as far as the oldest member goes', () => {
    expect(raisedVersion(stateOf(1, 3, 2, 3), ids)).toBe(2);
    expect(raisedVersion(stateOf(2, 3, 2, 3), ids)).toBeUndefined();
  });

  it('is not held back by a member that was removed', () => {
    expect(raisedVersion(stateOf(1, 1, knownVersion, knownVersion), ids.slice(1))).toBe(
      knownVersion,
    );
  });

  it('is proposed once', () => {
    expect(raisedVersion(stateOf(5, 5, 5, 5), ids)).toBeUndefined();
  });

  it('is about to rise where nobody is too old: one is to be heard of, or the leader is', () => {
    const need = { version: leasesVersion, configured: ids };
    expect(isAboutToRise(stateOf(1, 2, 2), need)).toBe(true);
    expect(isAboutToRise(stateOf(1, 2, 2, 2), need)).toBe(true);
    expect(isAboutToRise(stateOf(1, 2, 1), need)).toBe(false);
    expect(isAboutToRise(stateOf(2, 2, 2, 2), need)).toBe(false);
    const others = { version: leasesVersion, configured: ids.slice(1) };
    expect(isAboutToRise(stateOf(1, 1, 2, 2), others)).toBe(true);
  });

  it('refuses leases and sessions meanwhile, with the names of those that hold it back', () => {
    const need = { version: leasesVersion, configured: ids, nameOf };
    expect(() => requireVersion(stateOf(1, 2, 1), need)).toThrow(/not yet: n3, n2|n2, n3/);
    expect(() => requireVersion(stateOf(1, 2, 2, 2), need)).toThrow(/try again in a moment/);
    expect(() => requireVersion(stateOf(2, 2, 2, 2), need)).not.toThrow();
  });
});
