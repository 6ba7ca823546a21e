// A queue whose front costs no more to take than its back to add to, however long it is: an array's
// own shift moves all that stand behind. Whoever fills it bounds it.

/** Places that were taken are given back once there are so many. */
const takenMax = 1024;

export class Fifo<T> {
  #items: T[] = [];
  #taken = 0;

  get length(): number {
    return this.#items.length - this.#taken;
  }

  push(item: T): void {
    this.#items.push(item);
  }

  shift(): T | undefined {
    if (this.#taken === this.#items.length) return undefined;
    const item = this.#items[this.#taken];
    this.#taken += 1;
    if (this.#taken === this.#items.length) this.clear();
    else if (this.#taken >= takenMax) this.#giveBack();
    return item;
  }

  clear(): void {
    this.#items = [];
    this.#taken = 0;
  }

  #giveBack(): void {
    this.#items = this.#items.slice(this.#taken);
    this.#taken = 0;
  }
}
