// Goal: nobody is blamed whose state is as it was written (safety.md 10, D-20). Method: reports as
// members make them, and what is to be said of them.
import { index, memberId } from '@holdfast/base/ids';
import { newConfiguration } from '@holdfast/raft/configuration';
import { expect, it } from 'vitest';
import { askedToBeOverwritten, judgeStates, type StateReport } from './state-verdict.ts';

const idOf = (name: number) => memberId(BigInt(name));
const three = newConfiguration({ voters: [1, 2, 3].map(idOf) });

type Said = { readonly has: number } & Partial<Omit<StateReport, 'member'>>;

const reports = (said: Readonly<Record<number, Said>>): readonly StateReport[] =>
  Object.entries(said).map(([name, { has, ...rest }]) => ({
    member: idOf(Number(name)),
    checkIndex: index(9),
    stateHash: 1n,
    contentHash: BigInt(has),
    parts: [has],
    overwrite: false,
    doubted: false,
    unproven: false,
    ...rest,
  }));

function said(of: Readonly<Record<number, Said>>, configuration = three): string {
  const verdict = judgeStates(configuration, reports(of));
  const names = (ids: readonly bigint[]): string => ids.map(String).join(' ');
  switch (verdict.kind) {
    case 'open':
      return 'open';
    case 'decided': {
      const odd = names(verdict.odd.map(({ report }) => report.member));
      return `sound ${names(verdict.sound)}${odd && `, odd ${odd}`}`;
    }
    case 'undecided':
      return `undecided ${verdict.groups.map(names).join(' | ')}`;
  }
}

it.each([
  ['too few', { 1: { has: 7 } }, 'open'],
  ['a majority that agrees', { 1: { has: 7 }, 2: { has: 7 } }, 'sound 1 2'],
  ['one that differs', { 1: { has: 7 }, 2: { has: 8 }, 3: { has: 7 } }, 'sound 1 3, odd 2'],
  ['two of three that differ', { 1: { has: 7 }, 2: { has: 8 } }, 'undecided 1 | 2'],
  ['three that differ', { 1: { has: 7 }, 2: { has: 8 }, 3: { has: 9 } }, 'undecided 1 | 2 | 3'],
  [
    'one in doubt that differs from another',
    { 1: { has: 7 }, 2: { has: 8, doubted: true } },
    'open',
  ],
  [
    'a state sent by the one that was spoiled, against the sound one',
    { 1: { has: 7 }, 2: { has: 8 }, 3: { has: 8, unproven: true } },
    'undecided 1 | 2 3',
  ],
  [
    'a state that was spoiled while it was sent',
    { 1: { has: 7 }, 2: { has: 7 }, 3: { has: 8, unproven: true } },
    'sound 1 2, odd 3',
  ],
  [
    'two that were sent a state, while the third may still say otherwise',
    { 1: { has: 7 }, 2: { has: 7, unproven: true } },
    'open',
  ],
  [
    'all equal, though all but one were sent theirs: a cluster that grew from one',
    { 1: { has: 7 }, 2: { has: 7, unproven: true }, 3: { has: 7, unproven: true } },
    'sound 1 2 3',
  ],
  [
    'one in doubt, whom a majority has named before, as the only one that differs',
    { 1: { has: 7 }, 2: { has: 7, unproven: true }, 3: { has: 8, doubted: true } },
    'sound 1 2, odd 3',
  ],
] as const)('says of %s what can be known', (_, of, verdict) => {
  expect(said(of)).toBe(verdict);
});

it('decides nothing while voters change', () => {
  const joint = newConfiguration({
    voters: [1, 2, 3].map(idOf),
    votersOutgoing: [1, 2, 4].map(idOf),
  });
  expect(said({ 1: { has: 7 }, 2: { has: 7 }, 3: { has: 8 } }, joint)).toBe('open');
});

it('lets a person choose whose state is taken only where nobody sound differs', () => {
  const asking: Said = { has: 8, doubted: true, overwrite: true };
  const asked = (of: Readonly<Record<number, Said>>) =>
    askedToBeOverwritten(reports(of), idOf(1)).map(({ report }) => Number(report.member));
  expect(asked({ 1: { has: 7 }, 3: asking })).toEqual([3]);
  expect(asked({ 1: { has: 7 }, 3: { ...asking, overwrite: false } })).toEqual([]);
  expect(asked({ 1: { has: 7 }, 2: { has: 9 }, 3: asking })).toEqual([]);
  expect(asked({ 1: { has: 7, doubted: true }, 3: asking })).toEqual([]);
});
