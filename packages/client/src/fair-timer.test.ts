// Goal: this process's own lag is nobody else's fault, and costs no more than it must. Method: a
// clock on which the process stands still.
import { defaultSilenceSettings } from '@holdfast/transport/silence-watch';
import { describe, expect, it } from 'vitest';

import { fairTimer } from './fair-timer.ts';
import { StallingClock } from './stalling-clock.fixture.ts';

function started(delayMs: number) {
  const clock = new StallingClock();
  const firedMs: number[] = [];
  const action = (): void => void firedMs.push(clock.monotonicMs());
  const timer = fairTimer({ clock, silence: () => defaultSilenceSettings, delayMs, action });
  return { clock, firedMs, timer };
}

describe('a fair timer', () => {
  it('fires in time, once', () => {
    const { clock, firedMs } = started(3_000);
    clock.advance(10_000);
    expect(firedMs).toEqual([3_000]);
  });

  it.each([
    [3_000, 6_000],
    [300, 5_300],
  ])('of %s ms gives one more ping, or its own time, after a standstill', (delayMs, atMs) => {
    const { clock, firedMs } = started(delayMs);
    clock.stall(5_000);
    expect(firedMs).toEqual([]);
    clock.advance(10_000);
    expect(firedMs).toEqual([atMs]);
  });

  it('fires no more once it is cancelled, before a standstill or after', () => {
    for (const standsStill of [false, true]) {
      const { clock, firedMs, timer } = started(3_000);
      if (standsStill) clock.stall(5_000);
      timer.cancel();
      clock.advance(10_000);
      expect(firedMs).toEqual([]);
      expect(clock.pendingCount).toBe(0);
    }
  });
});
