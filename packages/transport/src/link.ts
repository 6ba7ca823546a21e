// The small interface on which everything here stands: an ordered stream of bytes to one other
// process, that ends once. It knows no frames, no members and no time. Two implementations:
// tcp-link.ts (sockets) and memory-link.ts (its twin, for tests and the simulator).
import { HoldfastError } from '@holdfast/base/errors';
import type { CertificateVerdict } from './certificate-verdict.ts';
import { transportFailure } from './transport-failure.ts';

/**
 * Why a link is over. `ended`: the other side said goodbye, as a dying process's kernel does too.
 */
export type LinkEnd =
  | { readonly type: 'closed' }
  | { readonly type: 'ended' }
  /** `isSpoken`: the other side has said something before that, if only to the layer below. */
  | { readonly type: 'failed'; readonly reason: string; readonly isSpoken?: boolean };

export interface LinkHandler {
  /** The bytes belong to the receiver: no one writes into them afterwards. */
  onBytes(bytes: Uint8Array): void;
  /** What waited has left (`pendingBytes` is zero); of less than 64 KiB it need not be said. */
  onDrain?(): void;
  /** Exactly once, and nothing after it; never after destroy(). */
  onEnd(end: LinkEnd): void;
}

export interface Link {
  readonly remoteAddress: string;
  /** Bytes that were sent and that the system has not taken yet. */
  readonly pendingBytes: number;
  /** Undefined: nobody is asked for a certificate here, or the handshake is still under way. */
  readonly verdict?: CertificateVerdict | undefined;
  /** Begins the delivery of bytes and of the end, both of which wait for it. Once. */
  open(handler: LinkHandler): void;
  /** Hands all parts to the system in one call; does nothing on a link that is over. */
  send(parts: readonly Uint8Array[]): void;
  /** Sends what is pending, then says goodbye; onEnd follows. */
  close(): void;
  /** Ends now; pending bytes are lost, and the handler hears nothing more. */
  destroy(): void;
}

export interface LinkListener {
  /** Where it listens, with the port that it got. */
  readonly address: string;
  /** Accepts no more; links that were accepted live on. */
  close(): Promise<void>;
}

export interface LinkNetwork {
  /**
   * Rejects with `unavailable` (see isRefused), or with the signal's reason as soon as it aborts.
   */
  dial(address: string, signal: AbortSignal): Promise<Link>;
  /**
   * Only where links are encrypted: makes one of a link that was dialled, before it was opened, and
   * owns it from then on. Rejects with `unavailable` where that fails, with `unauthenticated` where
   * the other side's certificate will not do, or with the signal's reason.
   */
  secure?(link: Link, signal: AbortSignal): Promise<Link>;
  /** Rejects with `failed-precondition` when the address is taken or not this machine's. */
  listen(address: string, onLink: (link: Link) => void): Promise<LinkListener>;
  /** Calls `action` once all events of this turn of the event loop have been heard. */
  endOfTurn(action: () => void): void;
  /** Calls `action` soon after what runs now, and never later than `endOfTurn` would. */
  afterEvent(action: () => void): void;
}

export type DialFailure = { readonly address: string; readonly refused: boolean };

export function dialError(failure: DialFailure, cause: unknown): HoldfastError {
  const why = failure.refused ? 'nobody listens there' : String(cause);
  const text = `cannot connect to ${failure.address}: ${why}`;
  return transportFailure(text, { cause, details: failure });
}

/**
 * Whether the machine answered that nobody listens: the only sign of a dead process (safety.md 12).
 */
export const isRefused = (error: unknown): boolean =>
  error instanceof HoldfastError && error.details.refused === true;
