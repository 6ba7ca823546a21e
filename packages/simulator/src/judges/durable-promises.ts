// What a member called synced is there at its next start (safety.md 1, 3 and 4): its log through
// what it took for persisted, and the term and vote of its last acknowledged status. Where a disk
// has failed there may be less, but not for a member that takes itself for whole. Owns what each
// member had synced when it died.
import type { MemberId, Term } from '@holdfast/base/ids';
import type { LogId } from '@holdfast/raft/entry';
import type { HeldLog } from './kept-acknowledgements.ts';
import { Violation } from './violation.ts';

export type SavedVote = { readonly term: Term; readonly vote: MemberId | undefined };

export class DurablePromises {
  readonly #logs = new Map<MemberId, LogId>();
  readonly #saves = new Map<MemberId, SavedVote>();

  /** The log of `member` is synced through `last`. */
  logSynced(member: MemberId, last: LogId): void {
    this.#logs.set(member, last);
  }

  /** A leader has put another entry where the synced one stood, which so was not committed. */
  logReplaced(member: MemberId, log: HeldLog): void {
    const synced = this.#logs.get(member);
    const held = synced && log.termAt(synced.index);
    if (held !== undefined && held !== synced?.term) this.#logs.delete(member);
  }

  statusSaved(member: MemberId, saved: SavedVote): void {
    this.#saves.set(member, saved);
  }

  /** Its last acknowledged status, or the one that its last start found. */
  savedBy(member: MemberId): SavedVote | undefined {
    return this.#saves.get(member);
  }

  /** Its disk was taken away from it, with everything on it. */
  forget(member: MemberId): void {
    this.#logs.delete(member);
    this.#saves.delete(member);
  }

  /** The status that a start found; a save that was under way may have reached the disk. */
  judgeStatus(member: MemberId, found: SavedVote | undefined): void {
    const saved = this.#saves.get(member);
    if (found) this.#saves.set(member, { term: found.term, vote: found.vote });
    if (!saved || (found && found.term > saved.term)) return;
    const isSame = found?.term === saved.term && (!saved.vote || found.vote === saved.vote);
    if (isSame) return;
    const says = found ? `term ${found.term} and a vote for ${found.vote ?? 'nobody'}` : 'nothing';
    const detail = `${member} saved term ${saved.term} and a vote for ${saved.vote ?? 'nobody'}`;
    throw new Violation('durable-promises', `${detail}, and starts with ${says}`);
  }

  /** The log that a start found, or that a member stands on which takes itself for whole. */
  judgeLog(member: MemberId, log: HeldLog): void {
    const synced = this.#logs.get(member);
    if (!synced || synced.index <= log.purged) return;
    const held = log.termAt(synced.index);
    if (held === synced.term) return;
    const detail = `${member} starts without the synced ${synced.index}@${synced.term}`;
    throw new Violation('durable-promises', `${detail}: it holds ${held ?? 'nothing'} there`);
  }
}
