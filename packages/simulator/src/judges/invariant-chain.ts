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
  if (purged > applied) broken(member, 'purged <= applied', marks);
  if (purged > persisted) broken(member, 'purged <= persisted', marks);
  if (applied > committed) broken(member, 'applied <= committed', marks);
  if (committed > last) broken(member, 'committed <= last', marks);
  if (persisted > last) broken(member, 'persisted <= last', marks);
  if (marks.lastLogTerm > marks.savedTerm) broken(member, 'last log term <= saved term', marks);
}

function broken(member: MemberId, link: string, marks: Marks): never {
  const all = Object.entries(marks).map(([name, value]) => `${name} ${value}`);
  throw new Violation('invariant-chain', `${link} on member ${member} (${all.join(', ')})`);
}
