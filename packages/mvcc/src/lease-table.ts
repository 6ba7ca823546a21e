// Which leases there are, and which keys hang on each (safety.md 20). Part of the replicated state,
// so it knows no deadline: when a lease runs out is known to the leader alone, from its own clock.
// A key is named by its slot (key-table.ts), which it has for as long as it lives. What hangs where
// follows from the newest records alone, so an image carries no list of it.
import { assert, must } from '@holdfast/base/assert';

/** What an image carries of a lease. */
export type LeaseFacts = {
  /** Above zero. */
  readonly id: bigint;
  /** What was granted. */
  readonly ttlMs: number;
  /** What a new leader gives it: the time to live, or what the last checkpoint left of it. */
  readonly remainingMs: number;
  /**
   * Index of the entry that granted it: tells it from another one under its id. 0 for a lease that
   * was granted below cluster version 3.
   */
  readonly grantedAt: number;
};

/** Facts never change, a checkpoint puts another in its place: an image copies references alone. */
type Lease = LeaseFacts & { readonly slots: Set<number> };

export class LeaseTable {
  /** In the order in which they were granted, which is that of the log. */
  readonly #leases = new Map<bigint, Lease>();
  /**
   * Rises whenever a lease comes, goes or is check-pointed, so that the leader sees at one number
   * whether it has to look again. Each member counts for itself.
   */
  generation = 0;

  constructor(leases: readonly LeaseFacts[] = []) {
    for (const facts of leases) this.#leases.set(facts.id, { ...facts, slots: new Set() });
  }

  get size(): number {
    return this.#leases.size;
  }

  /** Keys that hang on any lease. */
  get keyCount(): number {
    let count = 0;
    for (const { slots } of this.#leases.values()) count += slots.size;
    return count;
  }

  has(id: bigint): boolean {
    return this.#leases.has(id);
  }

  facts(id: bigint): LeaseFacts | undefined {
    return this.#leases.get(id);
  }

  ids(): IterableIterator<bigint> {
    return this.#leases.keys();
  }

  /** The slots of the keys that hang on the lease; empty for an unknown one. */
  slots(id: bigint): ReadonlySet<number> {
    return this.#leases.get(id)?.slots ?? noSlots;
  }

  grant(id: bigint, ttlMs: number, grantedAt: number): void {
    assert(!this.#leases.has(id), 'a lease is granted once');
    this.#leases.set(id, { id, ttlMs, remainingMs: ttlMs, grantedAt, slots: new Set() });
    this.generation += 1;
  }

  checkpoint(id: bigint, remainingMs: number): void {
    const lease = must(this.#leases.get(id), 'a lease that is check-pointed exists');
    this.#leases.set(id, { ...lease, remainingMs });
    this.generation += 1;
  }

  /** Takes out a lease whose keys are deleted. */
  end(id: bigint): void {
    assert(this.slots(id).size === 0, 'no key outlives its lease');
    assert(this.#leases.delete(id), 'a lease that ends exists');
    this.generation += 1;
  }

  /**
   * The key of the slot goes from one lease to another; 0 is none. Old records of an image may name
   * leases that have ended since: such a key is overwritten or deleted by a later record.
   */
  move(slot: number, from: bigint, to: bigint): void {
    if (from === to) return;
    this.#leases.get(from)?.slots.delete(slot);
    this.#leases.get(to)?.slots.add(slot);
  }

  /** As they are now; a later change does not touch the answer. */
  freeze(): readonly LeaseFacts[] {
    return [...this.#leases.values()];
  }
}

const noSlots: ReadonlySet<number> = new Set();
