// What is measured beside the rates: one value a trial.
import type { DoorName } from './rate-plan.ts';

export type FigureName = 'watch' | 'failover' | 'restart' | 'memory' | 'memory-large';

export type Figure = {
  /** As it stands in the table, and as `--only` finds it. */
  readonly title: string;
  readonly unit: 'ms' | 's' | 'MiB';
};

export const [keysSmall, keysLarge, watchers] = [100_000, 1_000_000, 1000];

const [small, large] = [keysSmall, keysLarge].map((keys) => keys.toLocaleString('en'));

export const figures: Readonly<Record<FigureName, Figure>> = {
  watch: {
    title: `watch: a write until the last of ${watchers.toLocaleString('en')} watchers knows`,
    unit: 'ms',
  },
  failover: { title: 'failover: kill -9 of the leader until the first write', unit: 's' },
  restart: { title: `restart of a follower with ${small} keys until it takes a write`, unit: 's' },
  memory: { title: `memory (RSS) with ${small} keys, the largest member`, unit: 'MiB' },
  'memory-large': { title: `memory (RSS) with ${large} keys, the largest member`, unit: 'MiB' },
};

export type FigureLine = {
  readonly figure: FigureName;
  readonly door: DoorName;
  readonly values: readonly number[];
  /** Why there is no value. */
  readonly reason?: string;
};
