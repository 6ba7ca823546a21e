// A member that promises anything still holds what it has acknowledged and what was then committed
// (safety.md 1, 3, 5 and 15): whatever became of its disk, it repairs before it votes or says
// success again. Owns what each member has acknowledged, over all of its boots.
import type { Index, MemberId, Term } from '@holdfast/base/ids';
import type { LogId } from '@holdfast/raft/entry';
import type { CommitPermanence } from './commit-permanence.ts';
import { Violation } from './violation.ts';

/** A member's log as it is now. */
export type HeldLog = { readonly purged: Index; termAt(at: Index): Term | undefined };

/** How many of a member's acknowledgements are remembered: what it replaced is above the commit. */
const rememberedMax = 200;

export class KeptAcknowledgements {
  readonly #commits: CommitPermanence;
  readonly #acknowledged = new Map<MemberId, LogId[]>();

  constructor(commits: CommitPermanence) {
    this.#commits = commits;
  }

  /** `member` has said that it holds everything through `last`, synced. */
  acknowledged(member: MemberId, last: LogId, log: HeldLog): void {
    const all = this.#acknowledged.get(member) ?? [];
    this.#acknowledged.set(member, all);
    // What a leader of a later term has replaced is owed no longer, nor what lay behind it.
    const isReplaced = ({ index, term }: LogId): boolean =>
      index >= last.index || (log.termAt(index) ?? term) > term;
    for (let top = all.at(-1); top && isReplaced(top); top = all.at(-1)) all.pop();
    all.push(last);
    if (all.length > 2 * rememberedMax) all.splice(0, rememberedMax);
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

  /** Its furthest acknowledgement of an entry that is committed by now. */
  #owedBy(member: MemberId): LogId | undefined {
    return this.#acknowledged
      .get(member)
      ?.findLast(({ index, term }) => this.#commits.termAt(index) === term);
  }
}
