// Votes (thesis 3.4, safety.md 4 and 14): a member gives its vote of a term to one candidate, over
// all of its boots, and nobody leads a term without the votes of a majority. Owns who voted for
// whom.
import type { MemberId, Term } from '@holdfast/base/ids';
import type { Configuration } from '@holdfast/raft/configuration';
import { isMajority } from './majority.ts';
import { Violation } from './violation.ts';

export type Vote = {
  readonly voter: MemberId;
  readonly term: Term;
  readonly candidate: MemberId;
};

export class Votes {
  readonly #candidates = new Map<Term, Map<MemberId, MemberId>>();

  /** A vote has left for its candidate. */
  observeVote({ voter, term, candidate }: Vote): void {
    const votes = this.#votesOf(term);
    const known = votes.get(voter);
    if (known !== undefined && known !== candidate) {
      const detail = `member ${voter} voted for ${known} and for ${candidate} in term ${term}`;
      throw new Violation('votes', detail);
    }
    votes.set(voter, candidate);
  }

  /** `leader` calls itself the leader of `term`; its own vote needs no message. */
  observeLeader(leader: MemberId, term: Term, configuration: Configuration): void {
    this.observeVote({ voter: leader, term, candidate: leader });
    const votes = this.#votesOf(term);
    if (isMajority(configuration, (voter) => votes.get(voter) === leader)) return;
    const voters = [...votes].filter(([, candidate]) => candidate === leader).map(([id]) => id);
    throw new Violation(
      'votes',
      `${leader} leads term ${term} by the votes of (${voters.join(' ')})`,
    );
  }

  #votesOf(term: Term): Map<MemberId, MemberId> {
    let votes = this.#candidates.get(term);
    if (!votes) {
      votes = new Map();
      this.#candidates.set(term, votes);
    }
    return votes;
  }
}
