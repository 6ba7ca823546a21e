// A sort that lets others run: runs of a few thousand are sorted at once, and merged in pieces.

/** What is sorted, or merged, without a turn: about a millisecond's work. */
export const runLength = 2048;

type SortBy<T> = {
  readonly compare: (a: T, b: T) => number;
  /** Awaited between two pieces of work. */
  readonly turn: () => Promise<void>;
  /** Less than usual where a comparison is long. */
  readonly run?: number;
};

/** In place, and stable, as Array.sort is. */
export async function sortInTurns<T>(items: T[], by: SortBy<T>): Promise<void> {
  const { run = runLength } = by;
  for (let at = 0; at < items.length; at += run) {
    if (at > 0) await by.turn();
    const sorted = items.slice(at, at + run).sort(by.compare);
    for (let place = 0; place < sorted.length; place += 1) items[at + place] = sorted[place] as T;
  }
  for (let length = run; length < items.length; length *= 2) {
    for (let at = 0; at + length < items.length; at += 2 * length) {
      await merge(items, { at, middle: at + length, end: at + 2 * length }, by);
    }
  }
}

async function merge<T>(
  items: T[],
  { at, middle, end }: { readonly at: number; readonly middle: number; readonly end: number },
  by: SortBy<T>,
): Promise<void> {
  const left = items.slice(at, middle);
  const right = items.slice(middle, end);
  let [place, fromLeft, fromRight] = [at, 0, 0];
  // What is left of the right run when the left one is used up stands where it belongs.
  while (fromLeft < left.length) {
    if ((place - at) % (by.run ?? runLength) === 0) await by.turn();
    const isRight =
      fromRight < right.length && by.compare(right[fromRight] as T, left[fromLeft] as T) < 0;
    items[place] = (isRight ? right[fromRight++] : left[fromLeft++]) as T;
    place += 1;
  }
}
