// A first-in first-out queue with a limit by count and by bytes. What happens when it is full is the
// caller's choice: `offer` says no, and the caller refuses with `resource-exhausted` or drops.
import { assert } from './assert.ts';

export type QueueLimits = { readonly countMax: number; readonly bytesMax: number };

export class BoundedQueue<T> {
  readonly #limits: QueueLimits;
  readonly #sizeOf: (item: T) => number;
  #items: (T | undefined)[] = [];
  #head = 0;
  #bytes = 0;

  constructor(limits: QueueLimits, sizeOf: (item: T) => number = () => 0) {
    assert(limits.countMax > 0 && limits.bytesMax > 0, 'queue limits are positive');
    this.#limits = limits;
    this.#sizeOf = sizeOf;
  }

  get count(): number {
    return this.#items.length - this.#head;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Takes the item in, or answers false: the queue is full. A single item always fits an empty one. */
  offer(item: T): boolean {
    const size = this.#sizeOf(item);
    if (this.count >= this.#limits.countMax) return false;
    if (this.count > 0 && this.#bytes + size > this.#limits.bytesMax) return false;
    this.#items.push(item);
    this.#bytes += size;
    return true;
  }

  take(): T | undefined {
    if (this.count === 0) return undefined;
    const item = this.#items[this.#head] as T;
    this.#items[this.#head] = undefined;
    this.#head += 1;
    this.#bytes -= this.#sizeOf(item);
    if (this.#head === this.#items.length) {
      this.#items = [];
      this.#head = 0;
    }
    return item;
  }

  /** Everything that waits, in order; the queue is empty afterwards. */
  takeAll(): T[] {
    const all = this.#items.slice(this.#head) as T[];
    this.#items = [];
    this.#head = 0;
    this.#bytes = 0;
    return all;
  }
}
