// Goal: whole members keep their promises in seeded worlds, a seed gives the same trace each time,
// and judges find rules broken on purpose. Method: whole runs; a failing seed is in the message.
import { describe, expect, it } from 'vitest';
import { runCommand, runSimulation } from './main.ts';
import { type PlantedBug, plantedBugs } from './planted-bugs.ts';

/** The first seed that fails with the bug; without the bug that seed must pass. */
async function firstFinding(bug: PlantedBug, seeds: number): Promise<string | undefined> {
  for (let seed = 1; seed <= seeds; seed += 1) {
    const { failure } = await runSimulation({ seed, bug, faultsMs: 10_000 });
    if (!failure) continue;
    const sound = await runSimulation({ seed, faultsMs: 10_000 });
    expect(sound.failure, `seed ${seed} without the bug`).toBeUndefined();
    return failure.judge;
  }
  return undefined;
}

describe('runSimulation', () => {
  it('keeps every promise over a few seeds', async () => {
    for (let seed = 1; seed <= 4; seed += 1) {
      const { failure, counters } = await runSimulation({ seed });
      expect(failure, `seed ${seed}`).toBeUndefined();
      expect(counters.acknowledged).toBeGreaterThan(10);
    }
  });

  it('gives the same trace each time, and another for another seed', async () => {
    const one = await runSimulation({ seed: 3 });
    expect(await runSimulation({ seed: 3 })).toEqual(one);
    expect((await runSimulation({ seed: 4 })).traceHash).not.toBe(one.traceHash);
  });

  // 300 seeds are the bound; each shows within a few.
  it.each(plantedBugs)('finds the planted bug: %s', async (bug) => {
    expect(await firstFinding(bug, 300)).toBeDefined();
  });
});

describe('runCommand', () => {
  it('prints the trace of a seed, and the speed of many', async () => {
    const lines: string[] = [];
    const write = (line: string): void => void lines.push(line);
    await runCommand(['--seed', '2', '--trace', '--world', 'raft'], write);
    expect(lines.at(-1)).toMatch(/^seed 2 {2}trace [0-9a-f]{8} {2}commit /);
    await runCommand(['--seeds', '2', '--first-seed', '2', '--world', 'raft'], write);
    expect(lines.join('\n')).toMatch(/2 runs, .*\n.*for each real second/);
  });
});
