// A committed entry stands on the disks of a majority when it is committed (thesis 3.6.2, safety.md
// 1 and 7): persisted means synced, so even a power loss of all members at this moment keeps it.
// Needs to see every disk, so only worlds whose storage is a model can ask it.
import type { Index, MemberId, Term } from '@holdfast/base/ids';
import type { Configuration } from '@holdfast/raft/configuration';
import { isMajority } from './majority.ts';
import { Violation } from './violation.ts';

/** Whether a member's disk would keep the entry through any crash, or the member does not vote
 * before it has the entry again (safety.md 5). */
export type HoldsDurably = (
  member: MemberId,
  id: { readonly index: Index; readonly term: Term },
) => boolean;

export class CommitDurability {
  #checked = 0;

  /** `id` has just been called committed by a member under `configuration`. */
  observeCommit(
    id: { readonly index: Index; readonly term: Term },
    configuration: Configuration,
    holdsDurably: HoldsDurably,
  ): void {
    if (id.index <= this.#checked) return;
    this.#checked = id.index;
    const holds = (member: MemberId): boolean => holdsDurably(member, id);
    if (isMajority(configuration, holds)) return;
    const holders = configuration.voters.filter(holds).join(' ');
    const detail = `${id.index}@${id.term} is committed, and synced by (${holders}) alone`;
    throw new Violation('commit-durability', detail);
  }
}
