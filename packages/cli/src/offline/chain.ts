// The invariant chain of safety.md 7, as far as it can be read from files: what must be at or below
// what. A link that does not hold is no verdict by itself; the rehearsal says what a start makes of
// it, and there is a finding about it. The log is held against the newest snapshot, as a start does
// it: after an install from a peer it begins there, and an older one ends before it.
import type { Recovered } from '@holdfast/replica/recovery';

import type { LogView } from './log-check.ts';
import type { SnapshotView } from './snapshot-check.ts';

export type ChainLink = {
  readonly left: string;
  readonly leftValue: number;
  readonly right: string;
  readonly rightValue: number;
  readonly holds: boolean;
};

type End = readonly [name: string, value: number | undefined];

export function chainOf(
  snapshots: readonly SnapshotView[],
  log: LogView | undefined,
  recovered: Recovered | undefined,
): readonly ChainLink[] {
  const [newest, older] = snapshots.map(({ last }) => last.index);
  const term = recovered?.statusLost ? undefined : recovered?.state.term;
  const row: readonly (readonly [End, End])[] = [
    [
      ['purged', log?.purged],
      ['newest snapshot', newest],
    ],
    [
      ['older snapshot', older],
      ['newest snapshot', newest],
    ],
    [
      ['newest snapshot', newest],
      ['last entry', log?.last.index],
    ],
    [
      ['saved commit', log?.commit],
      ['last entry', log?.last.index],
    ],
    [
      ['term of the last entry', log?.last.term],
      ['saved term', term],
    ],
  ];
  return row.flatMap(([left, right]) => link(left, right));
}

function link([left, leftValue]: End, [right, rightValue]: End): readonly ChainLink[] {
  if (leftValue === undefined || rightValue === undefined) return [];
  return [{ left, leftValue, right, rightValue, holds: leftValue <= rightValue }];
}
