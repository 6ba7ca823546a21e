// Revisions against real time, over all keys at once: each write has a revision of its own, and
// what was called after an answer stands at or behind that answer's revision. This is where a stale
// linearizable read shows first, and what holds transactions over several keys together.
import { Violation } from './violation.ts';

export type OrderedCall = { readonly floor: number };

export class RevisionOrder {
  readonly #written = new Set<number>();
  #highest = 0;

  /** The highest revision that any client was told. */
  get highest(): number {
    return this.#highest;
  }

  /** A linearizable read or a write is called now. */
  call(): OrderedCall {
    return { floor: this.#highest };
  }

  /** It is answered now, at `revision`; `wrote` = the revision is its own. */
  answered({ floor }: OrderedCall, revision: number, wrote: boolean): void {
    if (wrote && this.#written.has(revision)) {
      throw new Violation('revision-order', `two writes were told revision ${revision}`);
    }
    if (revision < floor || (wrote && revision === floor)) {
      const what = wrote ? 'a write' : 'a linearizable read';
      throw new Violation('revision-order', `${what} got ${revision} after ${floor} was told`);
    }
    if (wrote) this.#written.add(revision);
    this.#highest = Math.max(this.#highest, revision);
  }
}
