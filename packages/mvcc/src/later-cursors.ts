// Cursors that begin at a revision that has not come yet. They wait here, by that revision, and not
// with those of their range: a write would ask each of them in vain, and clients may name revisions
// that never come.
import { LinkedList } from '@holdfast/base/linked-list';

import type { WatchCursor } from './watch-cursor.ts';

export class LaterCursors {
  readonly #cursors = new Map<number, LinkedList<WatchCursor>>();
  /** The revisions at which they begin, the next one last. */
  readonly #starts: number[] = [];

  /** The first of those revisions. */
  get next(): number {
    return this.#starts.at(-1) ?? Number.POSITIVE_INFINITY;
  }

  add(cursor: WatchCursor): void {
    const { start } = cursor;
    let cursors = this.#cursors.get(start);
    if (!cursors) {
      cursors = new LinkedList();
      this.#cursors.set(start, cursors);
      this.#starts.splice(this.#placeOf(start), 0, start);
    }
    cursors.add(cursor.link);
    cursor.isLater = true;
  }

  /** One that is here. */
  delete(cursor: WatchCursor): void {
    const { start } = cursor;
    const cursors = this.#cursors.get(start);
    cursors?.remove(cursor.link);
    cursor.isLater = false;
    if (!cursors || cursors.length > 0) return;
    this.#cursors.delete(start);
    this.#starts.splice(this.#placeOf(start), 1);
  }

  /** Takes out those that begin at `revision` or before. */
  take(revision: number, act: (cursor: WatchCursor) => void): void {
    while (this.next <= revision) {
      const start = this.#starts.pop() as number;
      const cursors = this.#cursors.get(start);
      this.#cursors.delete(start);
      for (let cursor = cursors?.shift(); cursor; cursor = cursors?.shift()) {
        cursor.isLater = false;
        act(cursor);
      }
    }
  }

  /** Behind all that are higher. */
  #placeOf(start: number): number {
    let [lo, hi] = [0, this.#starts.length];
    while (lo < hi) {
      const middle = (lo + hi) >>> 1;
      if ((this.#starts[middle] as number) > start) lo = middle + 1;
      else hi = middle;
    }
    return lo;
  }
}
