// The SDK's questions about the connections among members, as types. Each call is about ONE member,
// the one that answers, and its answer names it: with several endpoints nobody can say beforehand
// which. Whoever means a certain member opens a client for its endpoint alone.
import type { CallOptions } from './config-api.ts';

/** Whose view or deed it is. */
export type AnsweringMember = {
  readonly member: string;
  readonly memberId: string;
  /** `host:port` that answered. */
  readonly endpoint: string;
};

export type BreakerName = 'closed' | 'open' | 'half-open';

export type PeerConnection = {
  readonly peer: string;
  readonly peerId: string;
  readonly address: string;
  readonly purpose: 'control' | 'log' | 'bulk';
  readonly state: 'healthy' | 'degraded' | 'dead';
  /** In a row. */
  readonly failures: number;
  /** Of the last failure; null while it is healthy. */
  readonly reason: string | null;
  readonly idleSeconds: number | null;
  readonly lastSuccessAgeMs: number | null;
  readonly lastCheckAgeMs: number | null;
  /** A connection stands. */
  readonly open: boolean;
  /** ISO 8601. */
  readonly openSince: string | null;
  readonly openForMs: number | null;
  /** The peer's. */
  readonly breaker: BreakerName;
};

export type PeerBreaker = {
  readonly peer: string;
  readonly peerId: string;
  readonly state: BreakerName;
  /** Calls in a row that failed; counted while it is closed. */
  readonly failures: number | null;
  readonly reason: string | null;
  readonly openForMs: number | null;
  /** Until one call is let through as a probe. */
  readonly halfOpenInMs: number | null;
};

export type ConnectionList = AnsweringMember & { readonly connections: readonly PeerConnection[] };
export type BreakerList = AnsweringMember & { readonly breakers: readonly PeerBreaker[] };
/** How many connections ended. */
export type Evicted = AnsweringMember & { readonly evicted: number };
/** How many breakers were not closed before. */
export type BreakersReset = AnsweringMember & { readonly reset: number };

export interface ConnectionApi {
  list(options?: CallOptions): Promise<ConnectionList>;
  /** `peer`: its name or id. Rejects with `not-found` for another. */
  evict(peer: string, options?: CallOptions): Promise<Evicted>;
  /** Ends the connections to all peers. */
  clear(options?: CallOptions): Promise<Evicted>;
}

export interface BreakerApi {
  list(options?: CallOptions): Promise<BreakerList>;
  /** Of one peer, by its name or id, or of all. */
  reset(peer?: string, options?: CallOptions): Promise<BreakersReset>;
}
