// One watcher of a stream of etcd's Watch, and how many there are.
import type { PulledRequest, PulledWatch } from '@holdfast/engine/engine';

import type { EventFilter } from './watch-answers.ts';

export type Watcher = {
  readonly id: bigint;
  readonly filter: EventFilter;
  /** What it watches, of one that takes answers in parts: others are told all at once. */
  readonly inParts: PulledRequest | undefined;
  readonly wantsProgress: boolean;
  /** The first revision that it asked for; 0: whatever comes. */
  readonly start: number;
  readonly watch: PulledWatch;
  /** Had events since the last look for who is to be told of progress. */
  hasHeard: boolean;
  /** Waits for its turn to be told of progress. */
  isDue: boolean;
  isOver: boolean;
};

/** Over all streams of a member. */
export class WatcherCount {
  readonly max: number;
  count = 0;

  constructor(max: number) {
    this.max = max;
  }
}
