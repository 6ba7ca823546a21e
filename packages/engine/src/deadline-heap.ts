// Ids by the moment at which somebody should look at them, earliest first: a binary heap. It
// forgets nothing by itself: whoever takes an id out knows whether that moment still counts.

export type HeapItem = { readonly id: bigint; readonly atMs: number };

export class DeadlineHeap {
  readonly #items: HeapItem[] = [];

  get size(): number {
    return this.#items.length;
  }

  push(id: bigint, atMs: number): void {
    const items = this.#items;
    let at = items.length;
    const item = { id, atMs };
    items.push(item);
    while (at > 0) {
      const parent = (at - 1) >> 1;
      const above = items[parent] as HeapItem;
      if (above.atMs <= atMs) break;
      items[at] = above;
      at = parent;
    }
    items[at] = item;
  }

  /** Takes out one whose moment has come, or undefined. */
  takeDue(nowMs: number): HeapItem | undefined {
    const first = this.#items[0];
    if (first === undefined || first.atMs > nowMs) return undefined;
    const last = this.#items.pop() as HeapItem;
    if (this.#items.length > 0) this.#sink(last);
    return first;
  }

  /** Finds the place of an item that stands nowhere yet, from the top down. */
  #sink(item: HeapItem): void {
    const items = this.#items;
    let at = 0;
    for (;;) {
      const left = 2 * at + 1;
      const right = left + 1;
      if (left >= items.length) break;
      const isRight = right < items.length && this.#atMs(right) < this.#atMs(left);
      const child = isRight ? right : left;
      if (this.#atMs(child) >= item.atMs) break;
      items[at] = items[child] as HeapItem;
      at = child;
    }
    items[at] = item;
  }

  #atMs(at: number): number {
    return (this.#items[at] as HeapItem).atMs;
  }
}
