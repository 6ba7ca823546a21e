// An entry that was committed in a term is in the log of every leader of a later term (thesis
// 3.6.3). The term counts in which it was committed, not the one in which it was written: a leader
// that wins an older term late owes nothing of it, and can commit nothing. Owns what was committed
// in which term.
import type { MemberId, Term } from '@holdfast/base/ids';
import type { LogId } from '@holdfast/raft/entry';
import type { HeldLog } from './kept-acknowledgements.ts';
import { Violation } from './violation.ts';

export type NewLeader = {
  readonly member: MemberId;
  readonly term: Term;
  /** What it has purged is in a snapshot that covers committed entries alone. */
  readonly log: HeldLog;
};

export class LeaderCompleteness {
  /** By the term of the leader that committed it, the last entry. */
  readonly #lastCommitted = new Map<Term, LogId>();

  /** The leader of `term` has committed everything through `last`. */
  observeCommit(term: Term, last: LogId): void {
    this.#lastCommitted.set(term, last);
  }

  /** With log matching it is enough to look at the last entry that is owed. */
  observeElection({ member, term, log }: NewLeader): void {
    const owed = this.#committedBefore(term);
    if (!owed || owed.index <= log.purged) return;
    const held = log.termAt(owed.index);
    if (held === owed.term) return;
    const detail = `leader ${member} of term ${term} holds ${held ?? 'nothing'} at ${owed.index}`;
    throw new Violation('leader-completeness', `${detail}, committed is term ${owed.term}`);
  }

  #committedBefore(term: Term): LogId | undefined {
    let owed: LogId | undefined;
    for (const [committedIn, last] of this.#lastCommitted) {
      if (committedIn < term && last.index > (owed?.index ?? 0)) owed = last;
    }
    return owed;
  }
}
