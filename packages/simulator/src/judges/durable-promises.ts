// What a member called synced is there at its next start (safety.md 1, 3 and 4): its log through
// what it took for persisted, and the term and vote of its last acknowledged status. A member that
// finds less may start, but not as a whole one. Owns what each member had synced when it died.
import type { MemberId, Term } from '@holdfast/base/ids';
import type { LogId } from '@holdfast/raft/entry';
import type { TermAt } from './commit-permanence.ts';
import { Violation } from './violation.ts';

export type SavedVote = { readonly term: Term; readonly vote: MemberId | undefined };

export type FoundState = {
  readonly purged: LogId;
  readonly termAt: TermAt;
  /** Undefined: it starts without one, and knows it. */
  readonly status: SavedVote | undefined;
  /** It says that its log has a hole. */
  readonly isRepairing: boolean;
};

export class DurablePromises {
  readonly #logs = new Map<MemberId, LogId>();
  readonly #saves = new Map<MemberId, SavedVote>();

  /** The log of `member` is synced through `last`. */
  logSynced(member: MemberId, last: LogId): void {
    this.#logs.set(member, last);
  }

  statusSaved(member: MemberId, saved: SavedVote): void {
    this.#saves.set(member, saved);
  }

  /** Its disk was taken away from it, with everything on it. */
  forget(member: MemberId): void {
    this.#logs.delete(member);
    this.#saves.delete(member);
  }

  observeStart(member: MemberId, found: FoundState): void {
    if (found.status) this.#judgeStatus(member, found.status);
    if (!found.isRepairing && found.status) this.#judgeLog(member, found);
  }

  /** A save that was under way may have reached the disk, so a later one is no lie. */
  #judgeStatus(member: MemberId, { term, vote }: SavedVote): void {
    const saved = this.#saves.get(member);
    if (!saved || term > saved.term) return;
    const isSame = term === saved.term && (saved.vote === undefined || vote === saved.vote);
    if (isSame) return;
    const detail = `${member} starts with term ${term} and a vote for ${vote ?? 'nobody'}`;
    const owed = `term ${saved.term} and ${saved.vote ?? 'nobody'}`;
    throw new Violation('durable-promises', `${detail}, and had saved ${owed}`);
  }

  #judgeLog(member: MemberId, { purged, termAt }: FoundState): void {
    const synced = this.#logs.get(member);
    if (!synced || synced.index <= purged.index) return;
    const held = termAt(synced.index);
    if (held === synced.term) return;
    const detail = `${member} starts without the synced ${synced.index}@${synced.term}`;
    throw new Violation('durable-promises', `${detail}: it holds ${held ?? 'nothing'} there`);
  }
}
