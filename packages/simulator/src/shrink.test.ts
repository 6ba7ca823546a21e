// Goal: only the faults that matter are left. Method: a made-up run that fails by two of fifty.
import { expect, it } from 'vitest';
import type { RunReport } from './run-report.ts';
import { shrinkPlan } from './shrink.ts';

const report = (judge: string | undefined): RunReport => ({
  seed: 1,
  failure: judge === undefined ? undefined : { judge, message: '' },
  simulatedMs: 0,
  traceHash: 0,
  lines: [],
  faults: 50,
  counters: {},
});

it('leaves what the failure needs', async () => {
  const needed = [7, 31];
  const run = async (without: ReadonlySet<number>) =>
    report(needed.some((at) => without.has(at)) ? undefined : 'log-matching');
  const without = await shrinkPlan({ faults: 50, run, judge: 'log-matching', runsMax: 1000 });
  expect(Array.from({ length: 50 }, (_, at) => at).filter((at) => !without.has(at))).toEqual(
    needed,
  );
});

it('takes no other failure for this one', async () => {
  const run = async (without: ReadonlySet<number>) =>
    report(without.has(3) ? 'liveness' : 'log-matching');
  const without = await shrinkPlan({ faults: 8, run, judge: 'log-matching', runsMax: 1000 });
  expect([...without].sort((a, b) => a - b)).toEqual([0, 1, 2, 4, 5, 6, 7]);
});
