// What a watcher is given (safety.md 22): every event of its range from its start on, in revision
// order, each once, a transaction's events together, and no progress notice ahead of an event.
// A watcher that reconnects goes on after the last revision that it was given.
import { Violation } from './violation.ts';

export type WatchedItem =
  /** `events` are the texts of one revision's events, in order. */
  | { readonly type: 'events'; readonly revision: number; readonly events: readonly string[] }
  | { readonly type: 'progress'; readonly revision: number };

/** What happened from `firstRevision` on; `textsOf` leaves the events of the watcher's range. */
export type EventReference = {
  /** History before it is compacted away: nothing before it can be judged. */
  readonly firstRevision: number;
  readonly lastRevision: number;
  textsOf(revision: number): readonly string[];
};

/** One watcher's stream, across all of its connections. */
export class WatchDelivery {
  readonly #name: string;
  readonly #startRevision: number;
  readonly #given: { readonly revision: number; readonly events: readonly string[] }[] = [];
  #through: number;

  constructor(name: string, startRevision: number) {
    this.#name = name;
    this.#startRevision = startRevision;
    this.#through = startRevision - 1;
  }

  /** Nothing at or below this revision is owed any more; a new connection starts behind it. */
  get through(): number {
    return this.#through;
  }

  get itemCount(): number {
    return this.#given.length;
  }

  observe(item: WatchedItem): void {
    if (item.type === 'progress') {
      this.#through = Math.max(this.#through, item.revision);
      return;
    }
    if (item.revision <= this.#through) {
      this.#fail(`got revision ${item.revision} after everything through ${this.#through}`);
    }
    this.#given.push(item);
    this.#through = item.revision;
  }

  /** Compares all that was given with what happened; `complete`: nothing may be owed any more. */
  judge(reference: EventReference, complete: boolean): void {
    const end = complete ? reference.lastRevision : this.#through;
    const start = Math.max(this.#startRevision, reference.firstRevision);
    let at = this.#given.findIndex(({ revision }) => revision >= start);
    if (at < 0) at = this.#given.length;
    for (let revision = start; revision <= end; revision += 1) {
      const expected = reference.textsOf(revision);
      if (expected.length === 0) continue;
      const given = this.#given[at];
      if (given?.revision !== revision) this.#fail(`missed revision ${revision}`);
      if (given?.events.join('\n') !== expected.join('\n')) {
        this.#fail(`revision ${revision} was given as ${given?.events}, is ${expected}`);
      }
      at += 1;
    }
    const surplus = this.#given[at];
    if (surplus) this.#fail(`got revision ${surplus.revision}, at which nothing happened`);
  }

  #fail(detail: string): never {
    throw new Violation('watch-delivery', `watcher ${this.#name} ${detail}`);
  }
}
