// A member that promises anything still holds what it has acknowledged and its leader has then
// committed (safety.md 1, 3, 5 and 15): whatever became of its disk, it repairs before it votes or
// says success again. What no leader committed in the term in which it was acknowledged is owed to
// nobody: a later leader that commits it counts acknowledgements of its own term alone. Owns what
// each member has acknowledged, over all of its boots.
import type { Index, MemberId, Term } from '@holdfast/base/ids';
import type { LogId } from '@holdfast/raft/entry';
import type { TermCommits } from './term-commits.ts';
import { Violation } from './violation.ts';

/** A member's log as it is now. */
export type HeldLog = { readonly purged: Index; termAt(at: Index): Term | undefined };

type Acknowledged = { readonly last: LogId; readonly term: Term };

type Kept = {
  /** The furthest acknowledgement of what was committed in that very term. */
  owed: LogId | undefined;
  /** Those of which it is not known yet. */
  open: Acknowledged[];
};

/** How many open acknowledgements of a member are remembered: most of them nobody ever commits. */
const openMax = 200;

export class KeptAcknowledgements {
  readonly #commits: TermCommits;
  readonly #kept = new Map<MemberId, Kept>();

  constructor(commits: TermCommits) {
    this.#commits = commits;
  }

  /** `member` has told the leader of `term` that it holds everything through `last`, synced. */
  acknowledged(member: MemberId, term: Term, last: LogId): void {
    const kept = this.#kept.get(member) ?? { owed: undefined, open: [] };
    this.#kept.set(member, kept);
    kept.open.push({ last, term });
    if (kept.open.length > openMax) kept.open.shift();
  }

  /** `member` votes, or says success. */
  judgePromise(member: MemberId, log: HeldLog, what: string): void {
    const owed = this.#owedBy(member);
    if (!owed || owed.index <= log.purged) return;
    const held = log.termAt(owed.index);
    if (held === owed.term) return;
    const detail = `${member} ${what}, has acknowledged ${owed.index}@${owed.term}`;
    throw new Violation('kept-acknowledgements', `${detail}, and holds ${held ?? 'nothing'} there`);
  }

  #owedBy(member: MemberId): LogId | undefined {
    const kept = this.#kept.get(member);
    if (!kept) return undefined;
    kept.open = kept.open.filter(({ last, term }) => {
      if (last.index > (this.#commits.in(term)?.index ?? 0)) return true;
      if (last.index > (kept.owed?.index ?? 0)) kept.owed = last;
      return false;
    });
    return kept.owed;
  }
}
