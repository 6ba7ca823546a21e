// Every member applies the same entry at the same index, each index once and in order, and reaches
// the same state (thesis 3.6.3, C-04, safety.md 10).
import type { Index, MemberId, Term } from '@holdfast/base/ids';
import type { Entry, EntryKind } from '@holdfast/raft/entry';
import { contentOf } from './log-matching.ts';
import { Violation } from './violation.ts';

type Applied = { readonly term: Term; readonly kind: EntryKind; readonly content: number };

export class StateMachineSafety {
  /** By index. */
  readonly #applied: Applied[] = [];
  readonly #hashes = new Map<Index, bigint>();
  readonly #appliedOf = new Map<MemberId, Index>();

  /** The member's state now stands at `index`: an empty start, or a snapshot that was loaded. */
  observeRestore(member: MemberId, index: Index): void {
    this.#appliedOf.set(member, index);
  }

  observeApply(member: MemberId, entries: readonly Entry[]): void {
    for (const entry of entries) {
      const before = this.#appliedOf.get(member) ?? 0;
      if (entry.index !== before + 1) {
        const detail = `${member} applied ${entry.index} after ${before}`;
        throw new Violation('state-machine-safety', detail);
      }
      this.#compare(member, entry);
      this.#appliedOf.set(member, entry.index);
    }
  }

  /** The rolling hash of the member's state after `index`. */
  observeStateHash(member: MemberId, index: Index, hash: bigint): void {
    const known = this.#hashes.get(index);
    if (known === undefined) this.#hashes.set(index, hash);
    else if (known !== hash) {
      const detail = `the state of ${member} at ${index} hashes to ${hash}, elsewhere to ${known}`;
      throw new Violation('state-machine-safety', detail);
    }
  }

  #compare(member: MemberId, entry: Entry): void {
    const { term, index, kind } = entry;
    const content = contentOf(entry);
    const known = this.#applied[index];
    if (known === undefined) this.#applied[index] = { term, kind, content };
    else if (known.term !== term || known.content !== content) {
      const other = `${known.kind} of term ${known.term} (${known.content})`;
      const detail = `${member} applied ${kind} of term ${term} (${content}) at ${index}`;
      throw new Violation('state-machine-safety', `${detail}, another applied ${other}`);
    }
  }
}
