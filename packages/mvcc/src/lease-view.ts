// What the engine reads of the leases: the leader's deadlines start from it (safety.md 20). Follows
// the store across restores.
import type { LeaseFacts } from './lease-table.ts';
import type { StoreState } from './store-state.ts';

export type LeaseStatus = LeaseFacts & { readonly keyCount: number };

/** Key is a view into the store, as in KvStore.range. */
export type LeasedKey = { readonly keyspace: number; readonly key: Uint8Array };

export class LeaseView {
  readonly #read: () => StoreState;

  constructor(read: () => StoreState) {
    this.#read = read;
  }

  get size(): number {
    return this.#read().leases.size;
  }

  /** Rises with every grant, revocation, expiry, checkpoint and restore; this member's own. */
  get generation(): number {
    return this.#read().leases.generation;
  }

  get(id: bigint): LeaseStatus | undefined {
    const { leases } = this.#read();
    const facts = leases.facts(id);
    if (!facts) return undefined;
    const { ttlMs, remainingMs, grantedAt } = facts;
    return { id, ttlMs, remainingMs, grantedAt, keyCount: leases.slots(id).size };
  }

  /** In the order in which they were granted. Not to be held while entries are applied. */
  ids(): Iterable<bigint> {
    return this.#read().leases.ids();
  }

  /** In no order; none for an unknown lease. */
  keysOf(id: bigint): LeasedKey[] {
    const state = this.#read();
    return Array.from(state.leases.slots(id), (slot) => {
      const address = state.newestOf(slot);
      return { keyspace: state.heap.keyspace(address), key: state.heap.key(address) };
    });
  }
}
