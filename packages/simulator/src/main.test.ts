// Goal: whole members keep their promises in seeded worlds, and a seed gives the same trace each
// time. Method: whole runs; a failing seed is in the message.
import { describe, expect, it } from 'vitest';
import { runCommand, runSimulation } from './main.ts';

describe('runSimulation', () => {
  it('keeps every promise over a few seeds', async () => {
    for (let seed = 1; seed <= 2; seed += 1) {
      const { failure, counters } = await runSimulation({ seed });
      expect(failure, `seed ${seed}`).toBeUndefined();
      expect(counters.acknowledged).toBeGreaterThan(10);
    }
  });

  it('gives the same trace each time, and another for another seed', async () => {
    const faultsMs = 5000;
    const one = await runSimulation({ seed: 3, faultsMs });
    expect(await runSimulation({ seed: 3, faultsMs })).toEqual(one);
    expect((await runSimulation({ seed: 4, faultsMs })).traceHash).not.toBe(one.traceHash);
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
