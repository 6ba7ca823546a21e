// Goal: what is counted is what happened lately. Method: a clock that is advanced.
import { describe, expect, it } from 'vitest';
import { ManualClock } from './manual-clock.ts';
import { RecentCounts } from './recent-counts.ts';

describe('recent counts', () => {
  it('forget what is older than their window', () => {
    const clock = new ManualClock();
    const recent = new RecentCounts(clock, 60_000);
    for (let n = 0; n < 12; n += 1) {
      recent.add('each');
      if (n === 0) recent.add('once');
      clock.advance(10_000);
    }
    // The last five slots are whole, the present one is empty.
    expect([...recent.counts()]).toEqual([['each', 5]]);
    clock.advance(49_999);
    expect(recent.counts().get('each')).toBe(1);
    clock.advance(1);
    expect([...recent.counts()]).toEqual([]);
  });
});
