// The keys of a lease vanish with it, all in one revision (safety.md 20). Only keys that nothing
// but the end of their lease may delete are shown here. Owns which lease each of them hangs on.
import { Violation } from './violation.ts';

export type LeasedEvent = {
  readonly type: 'put' | 'delete';
  readonly key: string;
  /** Of a put: the lease that the key hangs on. */
  readonly lease: bigint;
};

export class LeaseKeys {
  readonly #leaseOf = new Map<string, bigint>();
  readonly #keysOf = new Map<bigint, Set<string>>();
  readonly #ended = new Set<bigint>();

  /** The events of one revision on such keys. */
  happened(revision: number, events: readonly LeasedEvent[]): void {
    const ending = new Set<bigint>();
    for (const { type, key, lease } of events) {
      if (type === 'put') this.#put(revision, key, lease);
      else ending.add(this.#delete(revision, key));
    }
    for (const lease of ending) this.#requireNone(lease, `at revision ${revision}`);
  }

  /** The first member has applied the end of `lease`. */
  ended(lease: bigint): void {
    this.#ended.add(lease);
    this.#requireNone(lease, 'after its end');
  }

  #put(revision: number, key: string, lease: bigint): void {
    if (this.#ended.has(lease)) {
      throw new Violation(
        'lease-keys',
        `${key} hangs on lease ${lease} at ${revision}, its end past`,
      );
    }
    this.#leaseOf.set(key, lease);
    const keys = this.#keysOf.get(lease) ?? new Set();
    this.#keysOf.set(lease, keys.add(key));
  }

  #delete(revision: number, key: string): bigint {
    const lease = this.#leaseOf.get(key);
    if (lease === undefined) throw new Violation('lease-keys', `${key} vanished at ${revision}`);
    this.#leaseOf.delete(key);
    this.#keysOf.get(lease)?.delete(key);
    return lease;
  }

  #requireNone(lease: bigint, when: string): void {
    const left = [...(this.#keysOf.get(lease) ?? [])];
    if (left.length === 0) return;
    throw new Violation('lease-keys', `of lease ${lease} ${left.join(' ')} is left ${when}`);
  }
}
