// A committed entry stands on the disks of a majority when it is committed (thesis 3.6.2, safety.md
// 1 and 7): persisted means synced, so even a power loss of all members at this moment keeps it.
// Needs to see every disk, so only worlds whose storage is a model can ask it.
import type { Index, MemberId, Term } from '@holdfast/base/ids';
import { type Configuration, hasQuorum } from '@holdfast/raft/configuration';
import { Violation } from './violation.ts';

/** The term of the synced entry of one member at one index; undefined: none that would survive. */
export type DurableTermAt = (member: MemberId, index: Index) => Term | undefined;

export class CommitDurability {
  #checked = 0;

  /** `id` has just been called committed by a member under `configuration`. */
  observeCommit(
    id: { readonly index: Index; readonly term: Term },
    configuration: Configuration,
    durableTermAt: DurableTermAt,
  ): void {
    if (id.index <= this.#checked) return;
    this.#checked = id.index;
    const holds = (member: MemberId): boolean => durableTermAt(member, id.index) === id.term;
    if (hasQuorum(configuration, holds)) return;
    const holders = configuration.voters.filter(holds).join(' ');
    const detail = `${id.index}@${id.term} is committed, and synced by (${holders}) alone`;
    throw new Violation('commit-durability', detail);
  }
}
