// Leases end neither too early nor never (safety.md 20). Not before the send time of the last
// acknowledged keep-alive, or of the grant, plus the time to live, in the world's own time; what is
// acknowledged is there; and what nobody keeps alive is gone in the end. Owns what each lease was
// promised, and when the first member ended it.
import { Violation } from './violation.ts';

/** Clocks of members run a little fast: a time to live is shorter by this share at most. */
const driftMax = 0.001;

type Lease = {
  readonly ttlMs: number;
  /** It may not end before, in the world's time; rises. */
  promisedMs: number;
  endedMs: number | undefined;
  /** A client has asked for its end, and may have been heard. */
  mayBeRevoked: boolean;
};

export class LeaseSafety {
  readonly #leases = new Map<bigint, Lease>();
  #ends = 0;

  /** How many have run out. */
  get endCount(): number {
    return this.#ends;
  }

  /** A grant of a lease leaves its client. */
  asked(id: bigint, ttlMs: number): void {
    const promisedMs = Number.NEGATIVE_INFINITY;
    this.#leases.set(id, { ttlMs, promisedMs, endedMs: undefined, mayBeRevoked: false });
  }

  /** A grant or a keep-alive that was sent at `sentMs` is acknowledged now. */
  acknowledged(id: bigint, sentMs: number): void {
    const lease = this.#leases.get(id);
    if (!lease) return;
    lease.promisedMs = Math.max(lease.promisedMs, sentMs + lease.ttlMs * (1 - driftMax));
    this.#judgeEnd(id, lease);
  }

  revokeAsked(id: bigint): void {
    const lease = this.#leases.get(id);
    if (lease) lease.mayBeRevoked = true;
  }

  /** The first member has applied its end. */
  ended(id: bigint, atMs: number): void {
    const lease = this.#leases.get(id);
    if (!lease || lease.endedMs !== undefined) return;
    lease.endedMs = atMs;
    this.#ends += 1;
    this.#judgeEnd(id, lease);
  }

  /** Whether some member has seen it end. */
  hasEnded(id: bigint): boolean {
    return this.#leases.get(id)?.endedMs !== undefined;
  }

  #judgeEnd(id: bigint, { promisedMs, endedMs, mayBeRevoked }: Lease): void {
    if (endedMs === undefined || mayBeRevoked || endedMs >= promisedMs) return;
    const detail = `lease ${id} ended at ${endedMs.toFixed(1)} ms`;
    throw new Violation(
      'lease-safety',
      `${detail}, was promised until ${promisedMs.toFixed(1)} ms`,
    );
  }
}
