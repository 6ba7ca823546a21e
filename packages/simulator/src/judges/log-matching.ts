// Log matching (thesis 3.5): two logs that share a (index, term) agree on that entry and on all
// before it. Checked by induction: one (index, term) has one content and one predecessor, ever.
import { crc32 } from '@holdfast/base/crc32';
import type { Index, MemberId, Term } from '@holdfast/base/ids';
import { type Entry, type EntryKind, formatLogId, type LogId } from '@holdfast/raft/entry';
import { Violation } from './violation.ts';

type Known = { readonly content: number; readonly previousTerm: Term };

export class LogMatching {
  /** By term, then by index. */
  readonly #known = new Map<Term, Map<Index, Known>>();

  /** `member` takes `entries` into its log directly behind `previous`. */
  observeAppend(member: MemberId, previous: LogId, entries: readonly Entry[]): void {
    let before = previous;
    for (const entry of entries) {
      if (entry.index !== before.index + 1) {
        const gap = `entry ${entry.index} behind ${before.index}`;
        throw new Violation('log-matching', `member ${member} leaves a gap: ${gap}`);
      }
      if (entry.term < before.term) {
        const fall = `${before.term} to ${entry.term} at ${entry.index}`;
        throw new Violation('log-matching', `terms fall in the log of ${member}: ${fall}`);
      }
      this.#compare(member, before.term, entry);
      before = { index: entry.index, term: entry.term };
    }
  }

  #compare(member: MemberId, previousTerm: Term, entry: Entry): void {
    const ofTerm = this.#known.get(entry.term) ?? new Map<Index, Known>();
    this.#known.set(entry.term, ofTerm);
    const content = contentOf(entry);
    const known = ofTerm.get(entry.index);
    if (!known) ofTerm.set(entry.index, { content, previousTerm });
    else if (known.content !== content) {
      const what = `entry ${formatLogId(entry)} of member ${member} differs in content`;
      throw new Violation('log-matching', what);
    } else if (known.previousTerm !== previousTerm) {
      const terms = `${known.previousTerm} and ${previousTerm}`;
      throw new Violation(
        'log-matching',
        `entry ${formatLogId(entry)} follows both terms ${terms}`,
      );
    }
  }
}

/** Equal for equal entries: the checksum of kind and payload. */
export const contentOf = ({ kind, payload }: Entry): number => crc32(payload, kindSeeds[kind]);

const kindSeeds: Readonly<Record<EntryKind, number>> = { command: 1, empty: 2, membership: 3 };
