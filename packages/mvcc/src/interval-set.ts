// Ranges of keys, asked which of them hold a key. Sorted by their beginning, with the furthest end
// of every half of the array known (an implicit interval tree), so that a question costs the
// answers and a logarithm. The array is rebuilt now and then; until then additions wait in a short
// list.
import { type KeyRange, rangeHas } from './key-range.ts';

type Item<T> = { readonly range: KeyRange; readonly value: T };

const recentMax = 64;

/** The further of two ends; undefined is the furthest. */
const furthest = (a: string | undefined, b: string | undefined): string | undefined =>
  a === undefined || b === undefined ? undefined : a > b ? a : b;

export class IntervalSet<T> {
  readonly #items = new Map<string, Item<T>>();
  #sorted: Item<T>[] = [];
  /** By the middle of each subarray: the furthest end within it. */
  #ends: (string | undefined)[] = [];
  #recent: Item<T>[] = [];
  #removed = 0;

  get size(): number {
    return this.#items.size;
  }

  get(range: KeyRange): T | undefined {
    return this.#items.get(nameOf(range))?.value;
  }

  /** Adds a range that is not in the set. */
  add(range: KeyRange, value: T): void {
    const item = { range, value };
    this.#items.set(nameOf(range), item);
    this.#recent.push(item);
    if (this.#recent.length > Math.max(recentMax, this.#sorted.length >>> 4)) this.#rebuild();
  }

  delete(range: KeyRange): void {
    if (!this.#items.delete(nameOf(range))) return;
    this.#removed += 1;
    if (this.#removed > Math.max(recentMax, this.#items.size)) this.#rebuild();
  }

  /** Visits the value of every range that holds `key`. */
  visit(key: string, visitor: (value: T) => void): void {
    this.#visitSorted(0, this.#sorted.length, { key, visitor });
    for (const item of this.#recent) this.#visitItem(item, key, visitor);
  }

  *values(): Generator<T, void, void> {
    for (const { value } of this.#items.values()) yield value;
  }

  #visitSorted(
    lo: number,
    hi: number,
    question: { readonly key: string; readonly visitor: (value: T) => void },
  ): void {
    if (lo >= hi) return;
    const { key, visitor } = question;
    const middle = (lo + hi) >>> 1;
    const end = this.#ends[middle];
    if (end !== undefined && end <= key) return;
    this.#visitSorted(lo, middle, question);
    const item = this.#sorted[middle] as Item<T>;
    if (item.range.lo > key) return;
    this.#visitItem(item, key, visitor);
    this.#visitSorted(middle + 1, hi, question);
  }

  #visitItem(item: Item<T>, key: string, visitor: (value: T) => void): void {
    if (!rangeHas(item.range, key)) return;
    // A removed range stays in the array until the next rebuild, but is no longer the set's.
    if (this.#items.get(nameOf(item.range)) === item) visitor(item.value);
  }

  #rebuild(): void {
    this.#sorted = [...this.#items.values()].sort((a, b) =>
      a.range.lo < b.range.lo ? -1 : a.range.lo > b.range.lo ? 1 : 0,
    );
    this.#ends = new Array(this.#sorted.length);
    this.#measure(0, this.#sorted.length);
    this.#recent = [];
    this.#removed = 0;
  }

  /** Fills in the furthest ends of [lo, hi), and answers its own. */
  #measure(lo: number, hi: number): string | undefined {
    if (lo >= hi) return '';
    const middle = (lo + hi) >>> 1;
    const below = this.#measure(lo, middle);
    const above = this.#measure(middle + 1, hi);
    const end = furthest(furthest(below, above), this.#sorted[middle]?.range.hi);
    this.#ends[middle] = end;
    return end;
  }
}

/** Two texts as one that no other two texts give: the first one's length parts them. */
const nameOf = (range: KeyRange): string =>
  range.hi === undefined ? `*${range.lo}` : `${range.lo.length}:${range.lo}${range.hi}`;
