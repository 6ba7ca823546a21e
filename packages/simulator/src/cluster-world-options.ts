// What one run of whole members is told.
import type { Drain } from './event-queue.ts';
import type { Scenario } from './scenario.ts';
import type { WorldRecordings } from './world-recordings.ts';

export type ClusterWorldOptions = {
  readonly seed: number;
  /** Lets promise reactions run to their end; the process gives it. */
  readonly drain: Drain;
  /** How long faults last, in simulated time. Default 20 s. */
  readonly faultsMs?: number;
  /** How many lines of the timeline are kept. Default 60. */
  readonly linesMax?: number;
  /** Default: three mostly, five now and then. */
  readonly memberCount?: number;
  /** One kind of trouble instead of what chance puts together; `faultsMs` is then its own. */
  readonly scenario?: Scenario;
  /** Faults of the plan that do not happen, by their places in it. */
  readonly without?: ReadonlySet<number>;
  /** Where the members are recorded; the run is the same with and without. */
  readonly recordings?: WorldRecordings | undefined;
};
