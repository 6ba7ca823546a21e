// What is lost if a cluster goes on from one member's directory: the revisions that other members'
// directories have and this one has not. Equal term at equal index is equal history up to there
// (thesis 3.5), so all that matters lies behind the last entry that both have. What stood on
// machines that cannot be read any more, nobody can list: of that the place is told behind which it
// begins.
import { type Index, index } from '@holdfast/base/ids';
import { hasQuorum } from '@holdfast/raft/configuration';

import { type EntryView, entryView } from './entry-view.ts';
import type { MemberPast } from './member-past.ts';

export type LostRevision = {
  readonly revision: number;
  /** A majority may have had it, so a client may have been told that it is there. */
  readonly mayBeAcknowledged: boolean;
  /** The directory that has it. */
  readonly directory: string;
  readonly entry: Pick<EntryView, 'index' | 'term' | 'time' | 'actor' | 'command'>;
};

/** Revisions of which only a snapshot is left: what each of them did, is no longer written. */
export type LostRange = {
  readonly from: number;
  readonly to: number;
  readonly directory: string;
};

export type Loss = {
  readonly revisions: readonly LostRevision[];
  readonly ranges: readonly LostRange[];
};

export async function lossOf(kept: MemberPast, others: readonly MemberPast[]): Promise<Loss> {
  const all = [kept, ...others];
  const found = new Map<number, LostRevision>();
  const ranges: LostRange[] = [];
  for (const other of others) {
    const common = commonIndex(kept, other);
    const range = rangeOf(kept, other, common);
    if (range) ranges.push(range);
    for await (const { entry, revision } of other.made(common)) {
      const mayBeAcknowledged = mayBeOnMajority(all, other, entry.index);
      if (found.get(revision)?.mayBeAcknowledged || (found.has(revision) && !mayBeAcknowledged)) {
        continue;
      }
      const place = { path: other.directory, offset: 0 };
      const view = entryView({ entry, place }, { valueBytesMax: undefined });
      const { directory } = other;
      found.set(revision, { revision, mayBeAcknowledged, directory, entry: view });
    }
  }
  return { revisions: [...found.values()].sort((a, b) => a.revision - b.revision), ranges };
}

/** The last entry that both have. */
export function commonIndex(a: MemberPast, b: MemberPast): Index {
  const first = Math.max(a.firstKnown, b.firstKnown);
  for (let at = Math.min(a.last.index, b.last.index); at >= first; at -= 1) {
    const term = a.termAt(at);
    if (term !== undefined && term === b.termAt(at)) return index(at);
  }
  // One of them has given up the entries that the other ends in: those were committed.
  return a.last.index < b.last.index ? a.commit : b.last.index;
}

/** So far the other's snapshot is ahead, beyond what can be listed one by one. */
function rangeOf(kept: MemberPast, other: MemberPast, common: Index): LostRange | undefined {
  if (other.snapshot.index <= common) return undefined;
  const from = (kept.revisionAt(common) ?? kept.store.revision) + 1;
  const to = other.snapshotRevision;
  return to < from ? undefined : { from, to, directory: other.directory };
}

/** Whoever cannot be asked any more may have had it. */
function mayBeOnMajority(all: readonly MemberPast[], holder: MemberPast, at: Index): boolean {
  const term = holder.termAt(at);
  const read = new Map(all.map((past) => [past.identity.memberId, past]));
  return hasQuorum(holder.configuration, (id) => {
    const past = read.get(id);
    if (past === undefined || (past.hasLost && at > past.last.index)) return true;
    // What it has purged was committed, as was all before.
    return at < past.firstKnown || past.termAt(at) === term;
  });
}

/** Whether `a`'s log would be preferred to `b`'s by a voter (thesis 3.6.1). */
const isAhead = (a: MemberPast, b: MemberPast): boolean =>
  a.last.term > b.last.term || (a.last.term === b.last.term && a.last.index > b.last.index);

/** Whether to go on from `a` rather than from `b`. */
export const isBetter = (a: MemberPast, b: MemberPast): boolean =>
  isAhead(a, b) || (!isAhead(b, a) && b.isInDoubt && !a.isInDoubt);
