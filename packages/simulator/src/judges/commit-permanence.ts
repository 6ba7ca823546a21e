// What is committed stays committed (C-04): the entry at a committed index never changes, on no
// member, and a member's commit index never falls within one boot. Owns the committed log's terms.
import type { Index, MemberId, Term } from '@holdfast/base/ids';
import { Violation } from './violation.ts';

/** The term of an entry in some log; undefined where the log does not hold it (any more). */
export type TermAt = (index: Index) => Term | undefined;

export class CommitPermanence {
  /** Term by index; a hole where nobody who observed it still held the entry. */
  readonly #terms: (Term | undefined)[] = [];
  readonly #commitOf = new Map<MemberId, Index>();
  #highest = 0;

  /** The highest index that any member has called committed. */
  get committed(): Index {
    return this.#highest as Index;
  }

  termAt(index: Index): Term | undefined {
    return this.#terms[index];
  }

  observeBoot(member: MemberId): void {
    this.#commitOf.delete(member);
  }

  /** `member` says that everything up to `commit` is committed; `termAt` reads its own log. */
  observeCommit(member: MemberId, commit: Index, termAt: TermAt): void {
    const before = this.#commitOf.get(member) ?? 0;
    if (commit < before) {
      throw new Violation('commit-permanence', `commit of ${member} fell ${before} -> ${commit}`);
    }
    for (let at = before + 1; at <= commit; at += 1) this.#compare(member, at as Index, termAt);
    this.#commitOf.set(member, commit);
    this.#highest = Math.max(this.#highest, commit);
  }

  #compare(member: MemberId, at: Index, termAt: TermAt): void {
    const term = termAt(at);
    if (term === undefined) return;
    const known = this.#terms[at];
    if (known === undefined) this.#terms[at] = term;
    else if (known !== term) {
      const detail = `index ${at} is committed with term ${known}, ${member} has term ${term}`;
      throw new Violation('commit-permanence', detail);
    }
  }
}
