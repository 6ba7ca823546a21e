// Log matching (thesis 3.5): two logs that share a (index, term) agree on that entry and on all
// before it. Checked by induction: one (index, term) has one content and one predecessor, ever.
import { crc32 } from '@holdfast/base/crc32';
import type { MemberId, Term } from '@holdfast/base/ids';
import type { Entry, LogId } from '@holdfast/raft/entry';
import { Violation } from './violation.ts';

type Known = { readonly content: string; readonly previousTerm: Term };

export class LogMatching {
  readonly #known = new Map<string, Known>();

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
    const place = `${entry.index}@${entry.term}`;
    const content = contentOf(entry);
    const known = this.#known.get(place);
    if (!known) this.#known.set(place, { content, previousTerm });
    else if (known.content !== content) {
      throw new Violation('log-matching', `entry ${place} of member ${member} differs in content`);
    } else if (known.previousTerm !== previousTerm) {
      const terms = `${known.previousTerm} and ${previousTerm}`;
      throw new Violation('log-matching', `entry ${place} follows both terms ${terms}`);
    }
  }
}

/** Short and equal for equal entries: kind, length and checksum. */
export const contentOf = (entry: Entry): string =>
  `${entry.kind}:${entry.payload.length}:${crc32(entry.payload)}`;
