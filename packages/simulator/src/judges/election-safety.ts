// At most one leader a term (thesis 3.2, C-08). Owns who led which term.
import type { MemberId, Term } from '@holdfast/base/ids';
import { Violation } from './violation.ts';

export class ElectionSafety {
  readonly #leaders = new Map<Term, MemberId>();

  /** `member` calls itself the leader of `term`. Answers true the first time that it does. */
  observeLeader(term: Term, member: MemberId): boolean {
    const known = this.#leaders.get(term);
    if (known === undefined) {
      this.#leaders.set(term, member);
      return true;
    }
    if (known !== member) {
      throw new Violation('election-safety', `term ${term} is led by ${known} and by ${member}`);
    }
    return false;
  }

  /** How many terms had a leader. */
  get electionCount(): number {
    return this.#leaders.size;
  }
}
