// The rule of figure 8 (thesis 5.4.2, C-03): a leader moves its commit index to an entry of its own
// term, and to no other. Owns where each leader stood.
import type { Index, MemberId, Term } from '@holdfast/base/ids';
import { Violation } from './violation.ts';

export type LeaderMarks = {
  readonly term: Term;
  readonly commit: Index;
  /** Of the entry at `commit`; undefined where the log no longer tells. */
  readonly commitTerm: Term | undefined;
};

export class CommitRule {
  readonly #known = new Map<MemberId, { readonly term: Term; readonly commit: Index }>();

  /** Whether a leader stands elsewhere than when it was last seen. */
  isNews(member: MemberId, term: Term, commit: Index): boolean {
    const known = this.#known.get(member);
    return known?.term !== term || known.commit !== commit;
  }

  observeLeader(member: MemberId, { term, commit, commitTerm }: LeaderMarks): void {
    const known = this.#known.get(member);
    this.#known.set(member, { term, commit });
    // What it took over was committed by others.
    if (known?.term !== term || known.commit === commit) return;
    if (commitTerm === undefined || commitTerm === term) return;
    const detail = `leader ${member} of term ${term} commits ${commit} of term ${commitTerm}`;
    throw new Violation('commit-rule', detail);
  }
}
