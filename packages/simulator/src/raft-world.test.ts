// Goal: the core keeps its promises in seeded worlds, the worlds are the same each time, and judges
// find rules that are broken on purpose. Method: whole runs; a failing seed is in the message.
import { describe, expect, it } from 'vitest';
import type { RaftBug } from './model-persist.ts';
import { runRaftWorld } from './raft-world.ts';

/** The judge that speaks at the first seed that fails with the bug; without it that seed passes. */
function firstFinding(bug: RaftBug, seeds: number): string | undefined {
  for (let seed = 1; seed <= seeds; seed += 1) {
    const { failure } = runRaftWorld({ seed, bug, faultsMs: 12_000 });
    if (!failure) continue;
    const sound = runRaftWorld({ seed, faultsMs: 12_000 });
    expect(sound.failure, `seed ${seed} without the bug`).toBeUndefined();
    return failure.judge;
  }
  return undefined;
}

describe('runRaftWorld', () => {
  it('keeps every promise over many seeds', () => {
    for (let seed = 1; seed <= 25; seed += 1) {
      const { failure } = runRaftWorld({ seed });
      expect(failure, `seed ${seed}`).toBeUndefined();
    }
  });

  it('is the same each time, and another for another seed', () => {
    const [one, again, other] = [7, 7, 8].map((seed) => runRaftWorld({ seed }));
    expect(again).toEqual(one);
    expect(other?.traceHash).not.toBe(one?.traceHash);
  });

  it('does enough to mean something', () => {
    const { counters } = runRaftWorld({ seed: 2 });
    expect(counters.committed).toBeGreaterThan(100);
    expect(counters.elections).toBeGreaterThan(0);
    expect(counters.reads).toBeGreaterThan(10);
  });

  // Each of them breaks a rule of safety.md; 300 seeds are the bound, few are needed.
  const bugs: readonly RaftBug[] = [
    'acknowledge-before-sync',
    'skip-status-sync',
    'ignore-rot',
    'stale-read',
  ];
  it.each(bugs)('finds the planted bug: %s', (bug) => {
    expect(firstFinding(bug, 300)).toBeDefined();
  });
});
