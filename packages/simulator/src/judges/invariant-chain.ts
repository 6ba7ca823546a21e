// The invariant chain of one member (house.md section 2, safety.md 7), from outside: the simulator
// reads the marks between two steps, whatever the member itself asserts. The snapshots' links are
// judged when there is a new one: snapshot-order.ts.
import type { MemberId } from '@holdfast/base/ids';
import { Violation } from './violation.ts';

export type Marks = {
  readonly purged: number;
  readonly applied: number;
  readonly committed: number;
  readonly persisted: number;
  readonly last: number;
  readonly lastLogTerm: number;
  readonly savedTerm: number;
};

/** Throws unless the marks of `member` stand in the order that the design promises. */
export function judgeInvariantChain(member: MemberId, marks: Marks): void {
  const { purged, applied, committed, persisted, last } = marks;
  const hold: readonly (readonly [string, number, number])[] = [
    ['purged <= applied', purged, applied],
    ['purged <= persisted', purged, persisted],
    ['applied <= committed', applied, committed],
    ['committed <= last', committed, last],
    ['persisted <= last', persisted, last],
    ['last log term <= saved term', marks.lastLogTerm, marks.savedTerm],
  ];
  for (const [name, low, high] of hold) {
    if (low > high) {
      throw new Violation('invariant-chain', `${name} on member ${member} (${low} > ${high})`);
    }
  }
}
