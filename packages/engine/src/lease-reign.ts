// What the leader of one term knows of the leases beyond the state: their deadlines, on its own
// monotonic clock (safety.md 20). It dies with the term. Pure bookkeeping: who may be ended, and
// who must be confirmed before, is decided by lessor.ts.
import type { Term } from '@holdfast/base/ids';
import { DeadlineHeap } from './deadline-heap.ts';

/** Of a lease in the state. `remainingMs`: what a new leader gives it at least. */
export type LeaseFacts = {
  readonly id: bigint;
  readonly ttlMs: number;
  readonly remainingMs: number;
  /** Which of the leases under its id it is: what the log is told of it names this. */
  readonly grantedAt: number;
};

export type KeptLease = {
  readonly id: bigint;
  readonly grantedAt: number;
  readonly ttlMs: number;
  /** Not ended before. Never falls. */
  deadlineMs: number;
  /** When it was last given its full time, or was first seen. */
  renewedMs: number;
  /** The least remaining time that this leader has put into the log since it was last renewed. */
  checkpointMs: number;
  /** Keep-alives that have arrived and wait for their round: they go before an expiry. */
  waiting: number;
  /** Its place in the heap: at the deadline of some time ago, or when it is to be tried again. */
  lookAtMs: number;
  /** An expiry is proposed: no keep-alive is taken any more. */
  isExpiring: boolean;
};

export class LeaseReign {
  readonly term: Term;
  readonly #kept = new Map<bigint, KeptLease>();
  #heap = new DeadlineHeap();
  /** Every lease of the state at the begin of the term has its deadline. */
  isWhole = false;
  /** When the remaining times were last written to the log. */
  checkpointedMs: number;

  constructor(term: Term, nowMs: number) {
    this.term = term;
    this.checkpointedMs = nowMs;
  }

  get size(): number {
    return this.#kept.size;
  }

  /** What it holds in memory, of leases that ended otherwise too. */
  get heldCount(): number {
    return Math.max(this.#kept.size, this.#heap.size);
  }

  find(id: bigint): KeptLease | undefined {
    return this.#kept.get(id);
  }

  values(): IterableIterator<KeptLease> {
    return this.#kept.values();
  }

  /** The lease; if it was not known, its remaining time begins now. */
  meet(facts: LeaseFacts, nowMs: number): KeptLease {
    const known = this.#kept.get(facts.id);
    if (known) return known;
    const lease: KeptLease = {
      id: facts.id,
      grantedAt: facts.grantedAt,
      ttlMs: facts.ttlMs,
      deadlineMs: nowMs + facts.remainingMs,
      renewedMs: nowMs,
      checkpointMs: facts.remainingMs,
      waiting: 0,
      lookAtMs: nowMs + facts.remainingMs,
      isExpiring: false,
    };
    this.#kept.set(lease.id, lease);
    this.#heap.push(lease.id, lease.lookAtMs);
    return lease;
  }

  /** As `meet`, for one that was granted anew: what was known of its id is of no matter. */
  begin(facts: LeaseFacts, nowMs: number): void {
    this.#kept.delete(facts.id);
    this.meet(facts, nowMs);
  }

  /** A keep-alive that arrived then counts: the full time from there on. */
  renew(lease: KeptLease, arrivedMs: number): void {
    // Its place in the heap stays: it is looked at too early, and put where it belongs.
    lease.deadlineMs = Math.max(lease.deadlineMs, arrivedMs + lease.ttlMs);
    lease.renewedMs = Math.max(lease.renewedMs, arrivedMs);
  }

  /** Takes out one whose deadline has passed; the caller ends it, or looks at it again later. */
  takeOverdue(nowMs: number): KeptLease | undefined {
    for (;;) {
      const item = this.#heap.takeDue(nowMs);
      if (item === undefined) return undefined;
      const lease = this.#kept.get(item.id);
      if (lease?.lookAtMs !== item.atMs) continue; // Ended, or granted anew since.
      if (lease.deadlineMs <= nowMs) return lease;
      this.lookAgain(lease, nowMs);
    }
  }

  /** One that was taken out is looked at again, then or at its deadline. */
  lookAgain(lease: KeptLease, atMs: number): void {
    lease.lookAtMs = Math.max(atMs, lease.deadlineMs);
    this.#heap.push(lease.id, lease.lookAtMs);
  }

  /** Begins a new heap. Each lease that is answered has to be put back, or ended. */
  takeApart(): readonly KeptLease[] {
    this.#heap = new DeadlineHeap();
    return [...this.#kept.values()];
  }

  putBack(lease: KeptLease): void {
    if (this.#kept.get(lease.id) === lease) this.#heap.push(lease.id, lease.lookAtMs);
  }

  /** It exists no more; another one that was granted under its id since does. */
  end(lease: KeptLease): void {
    if (this.#kept.get(lease.id) === lease) this.#kept.delete(lease.id);
  }
}
