// Goal: a late leader is found, and nothing else is. Method: looks at made-up moments.
import { expect, it } from 'vitest';
import { LeaderWatch } from './leader-watch.ts';

function newWatch() {
  const time = { nowMs: 0 };
  const watch = new LeaderWatch({ nowMs: () => time.nowMs, majority: 2, limitMs: 2500 });
  const look = (atMs: number, up: number, isLed: boolean): void => {
    time.nowMs = atMs;
    watch.look({ up, isLed });
  };
  return { watch, look };
}

it('counts from the member that completes a majority', () => {
  const { watch, look } = newWatch();
  look(0, 0, false);
  look(5000, 1, false);
  look(9000, 2, false);
  look(11_000, 3, false);
  look(11_400, 3, true);
  look(90_000, 3, false);
  expect(watch.counters).toEqual({ powerCycles: 1, leaderLatestMs: 2400 });
});

it('speaks when nobody leads in time', () => {
  const { look } = newWatch();
  look(0, 0, false);
  look(100, 2, false);
  expect(() => look(2700, 2, false)).toThrow(/no leader 2600 ms/);
});
