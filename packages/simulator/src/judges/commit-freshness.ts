// The core's half of rule 19 (safety.md): what a member calls the quorum-confirmed commit index as
// of its own stamp is at least all that anybody could know as committed at that moment.
import type { Index, MemberId } from '@holdfast/base/ids';
import { Violation } from './violation.ts';

/**
 * Rounding between two clocks' readings of one moment: each timer of a chain of them may move a
 * simulated clock ahead by a 1024th of a millisecond. Far below what any message takes.
 */
const roundingMs = 0.02;

export class CommitFreshness {
  /** Rising in both fields. */
  readonly #commits: { readonly atMs: number; readonly commit: Index }[] = [];

  observeCommit(atMs: number, commit: Index): void {
    const last = this.#commits.at(-1);
    if (!last || last.commit < commit) this.#commits.push({ atMs, commit });
  }

  /**
   * At `nowMs`, `member` takes `commit` for confirmed as of `stampMs`; both in the world's time.
   */
  judge(
    member: MemberId,
    confirmed: { readonly nowMs: number; readonly stampMs: number; readonly commit: Index },
  ): void {
    const { nowMs, stampMs, commit } = confirmed;
    if (stampMs > nowMs + roundingMs) {
      throw new Violation('commit-freshness', `${member} is confirmed as of ${stampMs}, ${nowMs}`);
    }
    const owed = this.#committedBy(stampMs - roundingMs);
    if (commit >= owed) return;
    const detail = `${member} takes ${commit} for all of ${stampMs.toFixed(3)} ms`;
    throw new Violation('commit-freshness', `${detail}, committed was ${owed}`);
  }

  #committedBy(atMs: number): number {
    let lo = 0;
    let hi = this.#commits.length;
    while (lo < hi) {
      const middle = (lo + hi) >> 1;
      if ((this.#commits[middle]?.atMs ?? 0) <= atMs) lo = middle + 1;
      else hi = middle;
    }
    return this.#commits[lo - 1]?.commit ?? 0;
  }
}
