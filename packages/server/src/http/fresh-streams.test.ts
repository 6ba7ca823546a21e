// Goal: a stream whose member has lost the others ends in time, once, and nothing is left of it.
// Method: an age that the test sets, and a clock that it moves.
import { ManualClock } from '@holdfast/base/manual-clock';
import { describe, expect, it } from 'vitest';

import { FreshStreams } from './fresh-streams.ts';

function make() {
  const clock = new ManualClock();
  const state: { ageMs: number | undefined } = { ageMs: 10 };
  const streams = new FreshStreams({ clock, ageMs: () => state.ageMs });
  const ended: string[] = [];
  const guard = (name: string, maxAgeMs: number) =>
    streams.guard(maxAgeMs, ({ code }) => void ended.push(`${name} ${code}`));
  return { clock, state, streams, ended, guard };
}

describe('streams that want nothing too old', () => {
  it('end within half a second of it, each by its own measure', () => {
    const { clock, state, ended, guard } = make();
    const letGo = [guard('a', 1000), guard('b', 5000)];
    clock.advance(10_000);
    expect(ended).toEqual([]);
    state.ageMs = 1001;
    clock.advance(500);
    expect(ended).toEqual(['a stale-unknown']);
    letGo[0]?.();
    state.ageMs = undefined;
    clock.advance(500);
    expect(ended).toEqual(['a stale-unknown', 'b stale-unknown']);
    letGo[1]?.();
    expect(clock.pendingCount).toBe(0);
  });

  it('do not begin where it is too late already', () => {
    const { clock, state, guard } = make();
    state.ageMs = 5001;
    expect(() => guard('a', 5000)).toThrow('watch on another member');
    expect(clock.pendingCount).toBe(0);
  });

  it('are let go of when they end otherwise', () => {
    const { clock, state, ended, guard } = make();
    guard('a', 1000)();
    state.ageMs = undefined;
    clock.advance(5000);
    expect([ended, clock.pendingCount]).toEqual([[], 0]);
  });
});
