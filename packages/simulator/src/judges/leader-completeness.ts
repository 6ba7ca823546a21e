// An entry that was committed in a term is in the log of every leader of a later term (thesis
// 3.6.3); judged at each election, by what is known to be committed then. A leader that wins an
// older term late owes nothing of it, and can commit nothing.
import type { MemberId, Term } from '@holdfast/base/ids';
import type { HeldLog } from './kept-acknowledgements.ts';
import type { TermCommits } from './term-commits.ts';
import { Violation } from './violation.ts';

export type NewLeader = {
  readonly member: MemberId;
  readonly term: Term;
  /** What it has purged is in a snapshot that covers committed entries alone. */
  readonly log: HeldLog;
};

export class LeaderCompleteness {
  readonly #commits: TermCommits;

  constructor(commits: TermCommits) {
    this.#commits = commits;
  }

  /** With log matching it is enough to look at the last entry that is owed. */
  observeElection({ member, term, log }: NewLeader): void {
    const owed = this.#commits.before(term);
    if (!owed || owed.index <= log.purged) return;
    const held = log.termAt(owed.index);
    if (held === owed.term) return;
    const detail = `leader ${member} of term ${term} holds ${held ?? 'nothing'} at ${owed.index}`;
    throw new Violation('leader-completeness', `${detail}, committed is term ${owed.term}`);
  }
}
