// Goal: no change of members that a person can ask for costs the cluster its majority, and each
// refusal says which member, and what to do. Method: the plan alone, over views of small clusters.
import { type MemberId, memberId, storeId } from '@holdfast/base/ids';
import { describe, expect, it } from 'vitest';
import {
  type MemberChange,
  type MembershipView,
  type PlannedMember,
  planChange,
  promotionLagMax,
} from './member-plan.ts';

const id = (n: number): MemberId => memberId(BigInt(n));

type Shape = {
  readonly voters?: readonly number[];
  readonly learners?: readonly number[];
  readonly dead?: readonly number[];
  readonly lagging?: readonly number[];
  readonly removed?: readonly number[];
};

function viewOf({ voters = [1, 2, 3], learners = [], ...shape }: Shape): MembershipView {
  const member = (n: number): PlannedMember => ({
    id: id(n),
    name: `n${n}`,
    peerAddresses: [`h${n}:4654`],
    isReachable: !shape.dead?.includes(n),
    lag: shape.lagging?.includes(n) ? promotionLagMax + 1 : 0,
  });
  return {
    voters: voters.map(id),
    learners: learners.map(id),
    members: [...voters, ...learners].map(member),
    removed: new Set((shape.removed ?? []).map(id)),
  };
}

const add = (n: number, over: { readonly name?: string; readonly peerAddress?: string } = {}) =>
  ({
    kind: 'add',
    newcomer: {
      memberId: id(n),
      storeId: storeId(BigInt(n * 100)),
      name: `n${n}`,
      peerAddress: `h${n}:4654`,
      version: 4,
      ...over,
    },
  }) satisfies MemberChange;
const remove = (n: number): MemberChange => ({ kind: 'remove', id: id(n) });
const promote = (n: number): MemberChange => ({ kind: 'promote', id: id(n) });
const demote = (n: number): MemberChange => ({ kind: 'demote', id: id(n) });

const plan = (shape: Shape, ...changes: readonly MemberChange[]): string => {
  const { voters, learners } = planChange(viewOf(shape), changes);
  return `${voters.join(' ')} | ${learners.join(' ')}`;
};

describe('a change of members', () => {
  it('takes a machine in as an observer, which votes once it is promoted', () => {
    expect(plan({}, add(4))).toBe('1 2 3 | 4');
    expect(plan({ learners: [4] }, promote(4))).toBe('1 2 3 4 | ');
  });

  it('replaces a machine in one step, dead or alive', () => {
    expect(plan({ learners: [4], dead: [1] }, remove(1), promote(4))).toBe('2 3 4 | ');
    expect(plan({ learners: [4] }, remove(1), promote(4))).toBe('2 3 4 | ');
  });

  it('removes the one that is dead', () => {
    expect(plan({ dead: [3] }, remove(3))).toBe('1 2 | ');
    expect(plan({ voters: [1, 2, 3, 4, 5], dead: [4, 5] }, remove(4), remove(5))).toBe('1 2 3 | ');
  });

  it('finds done what is asked for again', () => {
    expect(plan({ learners: [4] }, add(4))).toBe('1 2 3 | 4');
    expect(plan({ voters: [1, 2, 3, 4] }, add(4))).toBe('1 2 3 4 | ');
    expect(plan({ voters: [1, 2, 3, 4] }, promote(4))).toBe('1 2 3 4 | ');
    expect(plan({ voters: [1, 2], removed: [3] }, remove(3))).toBe('1 2 | ');
    expect(plan({ voters: [1, 2], learners: [3] }, demote(3))).toBe('1 2 | 3');
  });

  it('of observers alone asks nobody: a dead voter does not keep them from coming and going', () => {
    expect(plan({ dead: [2, 3] }, add(4))).toBe('1 2 3 | 4');
    expect(plan({ dead: [2, 3], learners: [4] }, remove(4))).toBe('1 2 3 | ');
  });
});

describe('is refused', () => {
  it('where it would cost the cluster its majority, with the names of those who are missing', () => {
    expect(() => plan({ dead: [3] }, remove(1))).toThrow(
      /its majority: of 2 voters 2 have to answer, and n3 does not; .* or remove it first/,
    );
    expect(() => plan({ dead: [3] }, demote(2))).toThrow(/its majority/);
    expect(() => plan({ voters: [1, 2, 3, 4], dead: [3, 4] }, remove(1))).toThrow(
      /of 3 voters 2 have to answer, and n3, n4 do not/,
    );
  });

  it('where no voter would be left', () => {
    expect(() => plan({ voters: [1] }, remove(1))).toThrow(/without a voter/);
    expect(() => plan({ voters: [1], learners: [2] }, demote(1))).toThrow(/without a voter/);
  });

  it('where an observer that lags, or can not be reached, would vote', () => {
    expect(() => plan({ learners: [4], lagging: [4] }, promote(4))).toThrow(/lacks 501 entries/);
    expect(() => plan({ learners: [4], dead: [4] }, promote(4))).toThrow(/n4 is not reachable/);
  });

  it('where two members would have one name or one address', () => {
    expect(() => plan({}, add(4, { name: 'n2' }))).toThrow(/there is a member named n2/);
    expect(() => plan({}, add(4, { peerAddress: 'h2:4654' }))).toThrow(/n2 is at h2:4654/);
  });

  it('where somebody would come back who was removed', () => {
    expect(() => plan({ removed: [4] }, add(4))).toThrow(/was removed .* empty data directory/);
    expect(() => plan({ removed: [4] }, promote(4))).toThrow(/was removed before/);
  });

  it('where there is no such member, nothing to do, or two wishes for one', () => {
    expect(() => plan({}, remove(9))).toThrow(/is no member .* n1, n2, n3/);
    expect(() => plan({})).toThrow(/no change/);
    expect(() => plan({}, remove(1), demote(1))).toThrow(/twice/);
  });
});
