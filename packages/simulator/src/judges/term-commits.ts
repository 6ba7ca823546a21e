// What was committed in which term: the term that counts is the one of the leader that committed an
// entry, not the one that wrote it. A member of term t that calls an entry committed has it from a
// leader of term t or before. Owns the furthest such entry of each term.
import type { Term } from '@holdfast/base/ids';
import type { LogId } from '@holdfast/raft/entry';

export class TermCommits {
  readonly #lastOf = new Map<Term, LogId>();

  /** A member of `term` says that everything through `last` is committed. */
  observe(term: Term, last: LogId): void {
    const known = this.#lastOf.get(term);
    if (known === undefined || known.index < last.index) this.#lastOf.set(term, last);
  }

  in(term: Term): LogId | undefined {
    return this.#lastOf.get(term);
  }

  /** The furthest entry that was committed in a term below. */
  before(term: Term): LogId | undefined {
    let furthest: LogId | undefined;
    for (const [committedIn, last] of this.#lastOf) {
      if (committedIn < term && last.index > (furthest?.index ?? 0)) furthest = last;
    }
    return furthest;
  }
}
