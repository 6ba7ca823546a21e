// The SDK's lease calls, as types. Ids are decimal text: they have more bits than a number holds.
import type { CallOptions, ReadOptions } from './config-api.ts';

export type LeaseGrant = { readonly id: string; readonly ttlMs: number };

export type LeaseTime = LeaseGrant & {
  /** By the leader's count. */
  readonly remainingMs: number;
};

export type LeaseStatus = LeaseTime & {
  /** Where they were asked for; a key whose bytes are no UTF-8 has replacement characters. */
  readonly keys: readonly string[] | undefined;
};

/** A lease that is kept alive until it is let go. */
export interface HeldLease extends AsyncDisposable {
  readonly id: string;
  /** Aborts when the lease is lost: it has ended, or may end before anybody could be reached. */
  readonly lost: AbortSignal;
  /** No more keep-alives; the lease runs out. */
  stop(): void;
  /** Ends it, and its keys with it. */
  revoke(options?: CallOptions): Promise<void>;
}

export interface LeaseApi {
  /** With an id of the caller's own, a repeated call finds `already-exists`. */
  grant(
    ttlMs: number,
    options?: CallOptions & { readonly id?: string | undefined },
  ): Promise<LeaseGrant>;
  /** How many keys went with it. Throws `not-found`. */
  revoke(id: string, options?: CallOptions): Promise<{ readonly deleted: number }>;
  /** Throws `not-found` for a lease that has ended. */
  keepAlive(id: string, options?: CallOptions): Promise<LeaseTime>;
  timeToLive(
    id: string,
    options?: CallOptions & { readonly keys?: boolean | undefined },
  ): Promise<LeaseStatus>;
  list(
    options?: ReadOptions & { readonly limit?: number | undefined },
  ): Promise<{ readonly ids: readonly string[]; readonly count: number }>;
  /**
   * Keeps it alive, three times in its time and with jitter, until it is stopped or lost. Hand in
   * what `grant` or `keepAlive` answered: any other lease counts as granted at this moment.
   */
  hold(lease: LeaseGrant): HeldLease;
}
