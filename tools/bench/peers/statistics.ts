// What is told of the values of several rounds.
import { SeededRandom } from '@holdfast/base/seeded-random';

/** Undefined of none; of an even number, the mean of the two in the middle. */
export function median(values: readonly number[]): number | undefined {
  const sorted = [...values].sort((a, b) => a - b);
  const half = sorted.length / 2;
  const [lo, hi] = [sorted[Math.ceil(half) - 1], sorted[Math.floor(half)]];
  return lo === undefined || hi === undefined ? undefined : (lo + hi) / 2;
}

/** Of values in order of size. */
export const quantile = (sorted: readonly number[], of: number): number | undefined =>
  sorted[Math.floor((sorted.length - 1) * of)];

export type Pair = { readonly with: number; readonly without: number };

export type Quotient = {
  readonly medians: Pair;
  readonly value: number;
  readonly lo: number;
  readonly hi: number;
};

const resamples = 2000;

/**
 * The median with something over the median without it, and where nine of ten such quotients lie
 * when the pairs are drawn anew (the percentile bootstrap: Efron and Tibshirani 1993, 13.3).
 */
export function quotientOf(pairs: readonly Pair[], seed = 1): Quotient {
  const random = new SeededRandom(seed);
  const drawn = Array.from({ length: resamples }, () =>
    ratioOf(mediansOf(pairs.map(() => pairs[random.integer(0, pairs.length)] as Pair))),
  ).sort((a, b) => a - b);
  const [lo = Number.NaN, hi = Number.NaN] = [quantile(drawn, 0.05), quantile(drawn, 0.95)];
  const medians = mediansOf(pairs);
  return { medians, value: ratioOf(medians), lo, hi };
}

const mediansOf = (pairs: readonly Pair[]): Pair => ({
  with: median(pairs.map((one) => one.with)) ?? Number.NaN,
  without: median(pairs.map((one) => one.without)) ?? Number.NaN,
});

const ratioOf = (medians: Pair): number => medians.with / medians.without;
