// A new leader's log holds every entry that was committed before its election (thesis 3.6.3).
// With log matching it is enough to look at the last committed entry of which the term is known.
import type { Index, MemberId, Term } from '@holdfast/base/ids';
import type { CommitPermanence } from './commit-permanence.ts';
import type { HeldLog } from './kept-acknowledgements.ts';
import { Violation } from './violation.ts';

export type NewLeader = {
  readonly member: MemberId;
  readonly term: Term;
  /** What it has purged is in a snapshot that covers committed entries alone. */
  readonly log: HeldLog;
};

export class LeaderCompleteness {
  readonly #commits: CommitPermanence;

  constructor(commits: CommitPermanence) {
    this.#commits = commits;
  }

  observeElection({ member, term, log }: NewLeader): void {
    for (let at = this.#commits.committed; at > log.purged; at = (at - 1) as Index) {
      const committedTerm = this.#commits.termAt(at);
      if (committedTerm === undefined) continue;
      // An entry that was committed in a later term than this leader's is not owed by it.
      if (committedTerm > term) continue;
      if (log.termAt(at) === committedTerm) return;
      const held = log.termAt(at) ?? 'nothing';
      const detail = `leader ${member} of term ${term} holds ${held} at ${at}`;
      throw new Violation('leader-completeness', `${detail}, committed is term ${committedTerm}`);
    }
  }
}
