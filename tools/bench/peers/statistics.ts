// What is told of the values of several rounds.

/** Undefined of none; of an even number, the mean of the two in the middle. */
export function median(values: readonly number[]): number | undefined {
  const sorted = [...values].sort((a, b) => a - b);
  const half = sorted.length / 2;
  const [lo, hi] = [sorted[Math.ceil(half) - 1], sorted[Math.floor(half)]];
  return lo === undefined || hi === undefined ? undefined : (lo + hi) / 2;
}
