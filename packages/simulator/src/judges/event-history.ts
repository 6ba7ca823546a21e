// Everything that happened to all keys, as the first member to apply it tells it: what clients and
// watchers are told is compared with this. A judge too: every revision has its events, one after
// the other (C-04). Owns the events by revision; history that members compact away stays here.
import { Violation } from './violation.ts';

export type HappenedEvent = {
  readonly type: 'put' | 'delete';
  readonly key: string;
  /** Empty for a delete. */
  readonly value: string;
  /** That it hangs on; 0 for none. */
  readonly lease: bigint;
  /** All that a watcher is told of it. */
  readonly text: string;
};

const none: readonly HappenedEvent[] = [];

export class EventHistory {
  readonly #empty: number;
  /** Of the revisions behind that of the empty store. */
  readonly #events: (readonly HappenedEvent[])[] = [];

  constructor(emptyRevision: number) {
    this.#empty = emptyRevision;
  }

  /** The newest revision that any member has reached. */
  get last(): number {
    return this.#empty + this.#events.length;
  }

  /** Some member is the first to reach `revision`, the next one. */
  happened(revision: number, events: readonly HappenedEvent[]): void {
    if (revision !== this.last + 1 || events.length === 0) {
      const detail = `revision ${revision} with ${events.length} events follows ${this.last}`;
      throw new Violation('event-history', detail);
    }
    this.#events.push(events);
  }

  /** A revision in which nothing happened to the keys of clients. */
  passed(revision: number): void {
    if (revision !== this.last + 1) {
      throw new Violation('event-history', `revision ${revision} follows ${this.last}`);
    }
    this.#events.push(none);
  }

  at(revision: number): readonly HappenedEvent[] {
    return this.#events[revision - this.#empty - 1] ?? none;
  }
}
