// Cuts a list into consecutive groups of bounded size, so that each group fits in a frame.

/** Every group has at least one item and, if it has more, at most `bytesMax` bytes. */
export function groupBySize<T>(
  items: readonly T[],
  bytesMax: number,
  bytesOf: (item: T) => number,
): readonly (readonly T[])[] {
  const groups: T[][] = [];
  let bytes = Number.POSITIVE_INFINITY;
  for (const item of items) {
    const size = bytesOf(item);
    if (bytes + size > bytesMax) {
      groups.push([]);
      bytes = 0;
    }
    groups.at(-1)?.push(item);
    bytes += size;
  }
  return groups;
}
