// A queue whose front costs no more to take than its back to add to, however long it is: an array's
// own shift moves all that stand behind. Whoever fills it bounds it. Its memory is a ring that is
// kept once it is empty. A new array a time seems cheaper, and is not: V8 finds out that the arrays
// of such a place live on, and makes them among what is old; each then keeps what it has grown by
// alive until one of everything, and copying that is what a collection of what is young takes its
// time for.

const placesMin = 16;
/** A ring of more places is given back once it is empty. */
const placesKept = 1024;

export class Fifo<T> {
  /** A power of two of them, or none; a position stands at itself modulo their number. */
  #places: (T | undefined)[] = [];
  /** Positions are counted from the first item that there ever was. */
  #first = 0;
  #end = 0;

  get length(): number {
    return this.#end - this.#first;
  }

  /** Stays where it is. */
  get first(): T | undefined {
    return this.#places[this.#placeOf(this.#first)];
  }

  push(item: T): void {
    if (this.length === this.#places.length) this.#grow();
    this.#places[this.#placeOf(this.#end)] = item;
    this.#end += 1;
  }

  shift(): T | undefined {
    if (this.#first === this.#end) return undefined;
    const place = this.#placeOf(this.#first);
    const item = this.#places[place];
    this.#places[place] = undefined; // It may be large, and its place is kept.
    this.#first += 1;
    if (this.#first === this.#end && this.#places.length > placesKept) this.#places = [];
    return item;
  }

  /**
   * Hands over all that are there now, in their order. What `take` adds waits for the next time;
   * where it drains again, that hands over the rest, too. Where it throws, those behind are
   * dropped.
   */
  drain(take: (item: T) => void): void {
    const until = this.#end;
    try {
      while (this.#first < until) take(this.shift() as T);
    } finally {
      while (this.#first < until) this.shift();
    }
  }

  takeAll(): readonly T[] {
    const all: T[] = [];
    this.drain((item) => all.push(item));
    return all;
  }

  clear(): void {
    this.#places = [];
    this.#first = this.#end;
  }

  #placeOf(position: number): number {
    return position & (this.#places.length - 1);
  }

  #grow(): void {
    const old = this.#places;
    const places = new Array<T | undefined>(2 * old.length || placesMin).fill(undefined);
    for (let at = this.#first; at < this.#end; at += 1) {
      places[at & (places.length - 1)] = old[at & (old.length - 1)];
    }
    this.#places = places;
  }
}
