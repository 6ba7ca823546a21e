// Who came first goes first. An array whose head moves, because shift() of one copies what is left.

/** The head is cut off when it is as long as this, and as long as what is left. */
const cutAt = 1024;

export class Line<T> {
  #all: (T | undefined)[] = [];
  #at = 0;

  get length(): number {
    return this.#all.length - this.#at;
  }

  get first(): T | undefined {
    return this.#all[this.#at];
  }

  push(one: T): void {
    this.#all.push(one);
  }

  /** Does nothing where nobody waits. */
  shift(): void {
    if (this.length === 0) return;
    this.#all[this.#at] = undefined;
    this.#at += 1;
    if (this.#at === this.#all.length) [this.#all, this.#at] = [[], 0];
    else if (this.#at >= cutAt && this.#at >= this.length) {
      this.#all = this.#all.slice(this.#at);
      this.#at = 0;
    }
  }

  takeAll(): readonly T[] {
    const all = this.#all.slice(this.#at) as T[];
    [this.#all, this.#at] = [[], 0];
    return all;
  }
}
