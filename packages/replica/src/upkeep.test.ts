// Goal: whoever must know that the state has come into doubt is told. Method: a driver that counts.
import { describe, expect, it } from 'vitest';
import type { Driver } from './driver.ts';
import { Upkeep } from './upkeep.ts';

describe('Upkeep', () => {
  it('tells of a doubt: what is being written is not kept, and leadership goes', () => {
    const told: string[] = [];
    const driver = {
      snapshotter: { stateDoubted: () => told.push('snapshotter') },
      doubt: { handOver: () => told.push('leader') },
    };
    const upkeep = new Upkeep({
      driver: () => driver as unknown as Driver,
      signal: () => new AbortController().signal,
      fail: () => undefined,
      onProblem: () => undefined,
    });
    upkeep.stateDoubted();
    expect(told).toEqual(['snapshotter', 'leader']);
  });
});
