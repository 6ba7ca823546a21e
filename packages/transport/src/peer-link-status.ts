// What a link to a peer tells its owner, and what it shows of itself.
import type { ErrorCode } from '@holdfast/base/errors';
import type { MemberId } from '@holdfast/base/ids';
import type { BreakerState } from './circuit-breaker.ts';
import type { LinkHealth } from './link-health.ts';
import type { LinkRecord } from './link-record.ts';

export type PeerLinkEvent =
  | { readonly type: 'connected'; readonly peer: MemberId; readonly bootEpoch: number }
  /** What was in flight may be lost. `refused`: nobody listens there any more (safety.md 12). */
  | {
      readonly type: 'unreachable';
      readonly peer: MemberId;
      readonly refused: boolean;
      readonly reason: string;
      /** Where an operating error is behind it: what the peer itself may have refused with. */
      readonly code?: ErrorCode;
      /** An operator ended a connection that was sound: nothing to worry about. */
      readonly isWanted?: true;
    };

export type PeerLinkStatus = {
  readonly peer: MemberId;
  /** A control connection to it stands. */
  readonly reachable: boolean;
  /** Of the control connection, which speaks for the peer. */
  readonly health: LinkHealth;
  /** Control and log, and a bulk one for each snapshot that is on its way. */
  readonly links: readonly LinkRecord[];
  readonly breaker: BreakerState;
  /** For a peer that lives and answers slowly. */
  readonly slowBreaker: BreakerState;
  /** Monotonic time of the last byte from it, on any connection. */
  readonly lastHeardMs: number | undefined;
  readonly bootEpoch: number | undefined;
  readonly sent: { readonly frames: number; readonly bytes: number; readonly dropped: number };
};
