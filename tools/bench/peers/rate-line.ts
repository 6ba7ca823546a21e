// The medians of a load at a door.

import type { DoorName, Load } from './rate-plan.ts';
import type { Rate, RateRound } from './rates.ts';
import { median } from './statistics.ts';

export type RateLine = {
  readonly load: Load;
  readonly door: DoorName;
  readonly rounds: number;
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly membersCpuMicros: number;
  readonly generatorCpuShare: number;
  readonly generatorCpuMicros: number;
};

/** Undefined of a load that was not measured. */
export function rateLine({ load, door, rounds }: Rate): RateLine | undefined {
  if (rounds.length === 0) return undefined;
  const of = (pick: (round: RateRound) => number): number => median(rounds.map(pick)) as number;
  return {
    ...{ load, door: door.name, rounds: rounds.length },
    perSecond: of(({ result }) => (result.completed * 1000) / result.elapsedMs),
    p50Ms: of(({ result }) => result.p50Ms),
    p99Ms: of(({ result }) => result.p99Ms),
    membersCpuMicros: of((round) => round.membersCpuMicros),
    generatorCpuShare: of(({ result }) => result.cpuShare),
    generatorCpuMicros: of(({ result }) => result.cpuMicrosPerRequest),
  };
}
