// Goal: whole members keep their promises in seeded worlds, and a seed gives the same trace each
// time. Method: whole runs; a failing seed is in the message.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

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

  it('names the recordings in the folder that they were recorded into, whatever it is called', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'holdfast-replay-'));
    try {
      for (const name of ['runs', 'seed.rec']) {
        for (const member of ['n1', 'n2']) {
          mkdirSync(join(folder, name, member, 'recording'), { recursive: true });
          writeFileSync(join(folder, name, member, 'recording', '00000001.rec'), '');
        }
        writeFileSync(join(folder, name, 'notes'), '');
        const lines: string[] = [];
        const replay = ['--replay', join(folder, name)];
        expect(await runCommand(replay, (line) => void lines.push(line))).toBe(2);
        expect(lines).toEqual(['there are recordings in its folders n1, n2: name one of them']);
      }
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
