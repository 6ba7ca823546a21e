// A sort that lets others run: runs of a few thousand are sorted at once, and merged in pieces.

/** What is sorted, or merged, without a turn: about a millisecond's work. */
const runLength = 2048;

/** In place, and stable, as Array.sort is. `turn` is awaited between two pieces of work. */
export async function sortInTurns<T>(
  items: T[],
  compare: (a: T, b: T) => number,
  turn: () => Promise<void>,
): Promise<void> {
  for (let at = 0; at < items.length; at += runLength) {
    if (at > 0) await turn();
    const run = items.slice(at, at + runLength).sort(compare);
    for (let place = 0; place < run.length; place += 1) items[at + place] = run[place] as T;
  }
  for (let length = runLength; length < items.length; length *= 2) {
    for (let at = 0; at + length < items.length; at += 2 * length) {
      await merge(items, { at, middle: at + length, end: at + 2 * length }, { compare, turn });
    }
  }
}

async function merge<T>(
  items: T[],
  { at, middle, end }: { readonly at: number; readonly middle: number; readonly end: number },
  by: { readonly compare: (a: T, b: T) => number; readonly turn: () => Promise<void> },
): Promise<void> {
  const left = items.slice(at, middle);
  const right = items.slice(middle, end);
  let [place, fromLeft, fromRight] = [at, 0, 0];
  // What is left of the right run when the left one is used up stands where it belongs.
  while (fromLeft < left.length) {
    if ((place - at) % runLength === 0) await by.turn();
    const isRight =
      fromRight < right.length && by.compare(right[fromRight] as T, left[fromLeft] as T) < 0;
    items[place] = (isRight ? right[fromRight++] : left[fromLeft++]) as T;
    place += 1;
  }
}
