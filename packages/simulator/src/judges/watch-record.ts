// What one watcher was given over all of its connections. No judge itself: each claim about watches
// (safety.md 22) has a file of its own that reads this.
import type { EventHistory, HappenedEvent } from './event-history.ts';

export type WatchedItem =
  /** `events` are the texts of one revision's events, in order. */
  | { readonly type: 'events'; readonly revision: number; readonly events: readonly string[] }
  | { readonly type: 'progress'; readonly revision: number };

/** One stream from one member. */
export type WatchConnection = {
  /** The first revision that was asked for. */
  readonly from: number;
  readonly items: WatchedItem[];
  /** Told that history before this revision is gone; nothing came after. */
  compactRevision: number | undefined;
};

export class WatchRecord {
  readonly name: string;
  readonly connections: WatchConnection[] = [];
  readonly #wants: (event: HappenedEvent) => boolean;
  #through: number;

  /** `startRevision`: the first that the watcher wants at all. */
  constructor(
    name: string,
    startRevision: number,
    wants: (event: HappenedEvent) => boolean = () => true,
  ) {
    this.name = name;
    this.#wants = wants;
    this.#through = startRevision - 1;
  }

  /** Nothing at or below this revision is owed any more; the next connection asks behind it. */
  get through(): number {
    return this.#through;
  }

  get itemCount(): number {
    return this.connections.reduce((sum, { items }) => sum + items.length, 0);
  }

  connect(): WatchConnection {
    const connection = { from: this.#through + 1, items: [], compactRevision: undefined };
    this.connections.push(connection);
    return connection;
  }

  /** An item arrived on the newest connection. */
  given(item: WatchedItem): void {
    this.connections.at(-1)?.items.push(item);
    this.#through = Math.max(this.#through, item.revision);
  }

  /** The newest connection was refused, or ended, with `compacted`. */
  toldCompacted(compactRevision: number): void {
    const connection = this.connections.at(-1);
    if (connection) connection.compactRevision = compactRevision;
    this.#through = Math.max(this.#through, compactRevision - 1);
  }

  /** The texts of what happened at `revision` in the watched range. */
  textsAt(history: EventHistory, revision: number): readonly string[] {
    return history
      .at(revision)
      .filter(this.#wants)
      .map(({ text }) => text);
  }
}
