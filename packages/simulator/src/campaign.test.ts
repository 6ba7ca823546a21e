// Goal: a campaign adds up what its runs counted, and keeps the longest of what they timed.
import { expect, it } from 'vitest';
import { runCampaign } from './campaign.ts';

it('counts are added, and times are those of the slowest run', async () => {
  const latestMs: Readonly<Record<number, number>> = { 1: 300, 2: 900, 3: 20 };
  const { runs, counters } = await runCampaign({
    worlds: ['cluster'],
    firstSeed: 1,
    seeds: 3,
    nowMs: () => 0,
    processorMs: () => 0,
    run: async (seed) => ({
      seed,
      failure: undefined,
      traceHash: 0,
      simulatedMs: 10,
      counters: { powerCycles: 50, leaderLatestMs: latestMs[seed] ?? 0 },
      lines: [],
      faults: 0,
    }),
    onFailure: () => undefined,
  });
  expect(runs).toBe(3);
  expect(counters).toEqual({ powerCycles: 150, leaderLatestMs: 900 });
});

it('lets the process hear between two seeds that it shall end, where no run ever waits', async () => {
  const told = new AbortController();
  let turns = 0;
  const { runs } = await runCampaign({
    worlds: ['raft'],
    firstSeed: 1,
    seeds: 1000,
    nowMs: () => 0,
    processorMs: () => 0,
    signal: told.signal,
    turn: async () => {
      turns += 1;
      if (turns === 3) told.abort();
    },
    run: async (seed) => {
      const nothing = { counters: {}, lines: [], faults: 0 };
      return { seed, failure: undefined, traceHash: 0, simulatedMs: 1, ...nothing };
    },
    onFailure: () => undefined,
  });
  expect([runs, turns]).toEqual([3, 3]);
});
