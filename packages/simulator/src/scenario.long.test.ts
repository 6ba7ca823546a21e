// Goal: the acceptance lines that ask for one kind of trouble, again and again. Method: whole runs
// of a scenario; each ends with the heal, the proof of life, and every judge of every run.
import { describe, expect, it } from 'vitest';
import { runSimulation } from './main.ts';
import type { ScenarioName } from './scenario.ts';

const played = (name: ScenarioName, times: number, world: 'cluster' | 'raft', seed = 1) =>
  runSimulation({ seed, world, scenario: { name, times } });

describe('C-14: what is over before anything can settle, again and again', () => {
  it('crash and restart: cores', async () => {
    const { failure } = await played('crash-restarts', 1000, 'raft');
    expect(failure).toBeUndefined();
  });

  it('crash and restart: whole members', async () => {
    const { failure, counters } = await played('crash-restarts', 120, 'cluster');
    expect(failure).toBeUndefined();
    expect(counters.boots).toBeGreaterThan(90);
  });

  it('reconnect: cores, and whole members', async () => {
    expect((await played('reconnects', 1000, 'raft')).failure).toBeUndefined();
    const { failure, counters } = await played('reconnects', 400, 'cluster');
    expect(failure).toBeUndefined();
    expect(counters.acknowledged).toBeGreaterThan(40);
  });
});

describe('U-3: disks fill up, hang and crawl', () => {
  it('reads go on, and no leader stays whose disk ails while those of the others are well', async () => {
    const { failure, counters } = await played('ailing-disks', 6, 'cluster', 6);
    expect(failure).toBeUndefined();
    expect(counters['ailingMoved']).toBeGreaterThan(0);
    expect(counters['ailingLongestMs']).toBeLessThan(5000);
  });
});

describe('U-8: machines come and go', () => {
  it('20 are replaced, one after the other, with a kill each time', async () => {
    const { failure, counters } = await played('replacements', 20, 'cluster');
    expect(failure).toBeUndefined();
    expect(counters.replaced).toBeGreaterThan(15);
    expect(counters.memberChanges).toBeGreaterThan(45);
    expect(counters.acknowledged).toBeGreaterThan(200);
  });
});

describe('D-17: all members lose power together in mid-write', () => {
  // A thousand of them: `npm test` plays them in its minutes of the simulator.
  it('loses nothing, and leads again within 2.5 s of the second member', async () => {
    const { failure, counters } = await played('power-cycles', 8, 'cluster');
    expect(failure).toBeUndefined();
    expect(counters.powerCycles).toBe(8);
    expect(counters.leaderLatestMs).toBeLessThanOrEqual(2500);
    expect(counters.acknowledged).toBeGreaterThan(40);
  });
});
