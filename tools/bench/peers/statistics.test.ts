// Goal: what is told of several rounds is what was measured, and how sure it is. Method: values
// whose medians and quotients are known.
import { SeededRandom } from '@holdfast/base/seeded-random';
import { describe, expect, it } from 'vitest';

import { median, type Pair, quantile, quotientOf } from './statistics.ts';

/** The one is as large as the other times `by`, each with some noise of its own. */
function noisyPairs(count: number, by: number): readonly Pair[] {
  const random = new SeededRandom(7);
  const noisy = (): number => 10 * (0.8 + 0.4 * random.fraction());
  return Array.from({ length: count }, () => ({ with: by * noisy(), without: noisy() }));
}

describe('a median', () => {
  it('is the value in the middle, or between the two there', () => {
    expect([median([3, 1, 2]), median([4, 1, 2, 3]), median([])]).toEqual([2, 2.5, undefined]);
  });
});

describe('a quantile', () => {
  it('is the value that so many do not exceed', () => {
    const values = Array.from({ length: 200 }, (_, at) => at);
    expect([quantile(values, 0.5), quantile(values, 0.99), quantile(values, 1)]).toEqual([
      99, 197, 199,
    ]);
    expect(quantile([], 0.5)).toBeUndefined();
  });
});

describe('a quotient of pairs', () => {
  it('is that of the medians, and says where it would lie with other pairs', () => {
    const { value, lo, hi } = quotientOf(noisyPairs(100, 1.5));
    expect(lo).toBeLessThan(1.5);
    expect(hi).toBeGreaterThan(1.5);
    expect(Math.abs(value - (lo + hi) / 2)).toBeLessThan(0.05);
    expect(hi - lo).toBeLessThan(0.2);
  });

  it('is less sure of few pairs', () => {
    const [few, many] = [quotientOf(noisyPairs(8, 1)), quotientOf(noisyPairs(200, 1))];
    expect(few.hi - few.lo).toBeGreaterThan(2 * (many.hi - many.lo));
  });
});
