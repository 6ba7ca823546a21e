// Cuts the fault plan of a failing run down: leaves out one part of it after the other, halves
// first, for as long as the same judge still speaks. What is left is what a person has to read.
import type { RunReport } from './run-report.ts';

export type ShrinkOptions = {
  /** Places of the plan: 0 to this, exclusive. */
  readonly faults: number;
  /** The run without these faults. */
  readonly run: (without: ReadonlySet<number>) => Promise<RunReport>;
  readonly judge: string;
  /** Runs, at most. */
  readonly runsMax: number;
};

/** The faults that are not needed; without them the run still fails by the same judge. */
export async function shrinkPlan(options: ShrinkOptions): Promise<ReadonlySet<number>> {
  const { faults, run, judge, runsMax } = options;
  let without: ReadonlySet<number> = new Set();
  let runs = 0;
  for (let size = Math.ceil(faults / 2); size >= 1; size = size === 1 ? 0 : Math.ceil(size / 2)) {
    for (let lo = 0; lo < faults && runs < runsMax; lo += size) {
      const wider = new Set(without);
      for (let at = lo; at < Math.min(lo + size, faults); at += 1) wider.add(at);
      if (wider.size === without.size) continue;
      runs += 1;
      const { failure } = await run(wider);
      if (failure?.judge === judge) without = wider;
    }
  }
  return without;
}
