// Counts what happened to the links of a member since it was started: evictions by reason,
// changes of health and breakers by their new state, and how long it took to see that a peer is
// dead.
import type { Clock } from '@holdfast/base/clock';
import { RecentCounts } from '@holdfast/base/recent-counts';
import type { LinkNote } from './link-note.ts';

/** Upper bounds in milliseconds; A-05 asks for 8 s at the latest. */
export const detectBucketsMs = [100, 500, 1000, 2000, 4000, 6000, 8000, 10_000, 30_000] as const;

export type LinkTally = {
  /** By reason. */
  readonly evictions: ReadonlyMap<string, number>;
  /** As `evictions`, of the last ten minutes. */
  readonly recentEvictions: ReadonlyMap<string, number>;
  /** By the name of the new state. */
  readonly health: ReadonlyMap<string, number>;
  readonly breakers: ReadonlyMap<string, number>;
  /** From the last byte of a peer to its death: how many in each bucket; the last is beyond all. */
  readonly detection: { readonly counts: readonly number[]; readonly sumMs: number };
};

const recentMs = 600_000;

export class LinkCounter {
  readonly #recent: RecentCounts;
  readonly #evictions = new Map<string, number>();
  readonly #health = new Map<string, number>();
  readonly #breakers = new Map<string, number>();
  readonly #counts: number[] = Array.from({ length: detectBucketsMs.length + 1 }, () => 0);
  #sumMs = 0;

  constructor(clock: Clock) {
    this.#recent = new RecentCounts(clock, recentMs);
  }

  get tally(): LinkTally {
    return {
      evictions: this.#evictions,
      recentEvictions: this.#recent.counts(),
      health: this.#health,
      breakers: this.#breakers,
      detection: { counts: this.#counts, sumMs: this.#sumMs },
    };
  }

  count(note: LinkNote): void {
    if (note.type === 'evicted') {
      add(this.#evictions, note.reason);
      this.#recent.add(note.reason);
    } else if (note.type === 'breaker') add(this.#breakers, note.to.name);
    else {
      add(this.#health, note.to.name);
      if (note.to.name === 'dead' && note.silentMs !== undefined) this.#detected(note.silentMs);
    }
  }

  #detected(silentMs: number): void {
    const at = detectBucketsMs.findIndex((bound) => silentMs <= bound);
    const bucket = at < 0 ? detectBucketsMs.length : at;
    this.#counts[bucket] = (this.#counts[bucket] ?? 0) + 1;
    this.#sumMs += silentMs;
  }
}

function add(counts: Map<string, number>, name: string): void {
  counts.set(name, (counts.get(name) ?? 0) + 1);
}
