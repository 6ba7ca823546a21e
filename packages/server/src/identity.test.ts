// Ids are derived alike everywhere and for ever: the fixed values below are what data directories
// hold.
import { describe, expect, it } from 'vitest';

import { deriveClusterId, deriveMemberId } from './identity.ts';

const members = [
  { name: 'n1', address: '127.0.0.1:4654' },
  { name: 'n2', address: '127.0.0.1:4664' },
];

describe('derived ids', () => {
  it('do not depend on the order, but on names and addresses', () => {
    const id = deriveClusterId(members, undefined);
    expect(deriveClusterId(members.toReversed(), undefined)).toBe(id);
    expect(deriveClusterId(members.slice(1), undefined)).not.toBe(id);
    const moved = [members[0], { name: 'n2', address: '127.0.0.1:9' }] as typeof members;
    expect(deriveClusterId(moved, undefined)).not.toBe(id);
  });

  it('depend on the token alone where there is one', () => {
    expect(deriveClusterId(members, 't')).toBe(deriveClusterId([], 't'));
    expect(deriveClusterId(members, 't')).not.toBe(deriveClusterId(members, 'u'));
  });

  it('stay as they are: a change would lock members out of their directories', () => {
    const cluster = deriveClusterId(members, undefined);
    expect(cluster.toString(16)).toMatchInlineSnapshot(`"8606eebb6eef4eb1"`);
    expect(deriveMemberId(cluster, 'n1').toString(16)).toMatchInlineSnapshot(`"59b5045d755cad4b"`);
    expect(deriveMemberId(cluster, 'n2')).not.toBe(deriveMemberId(cluster, 'n1'));
  });
});
