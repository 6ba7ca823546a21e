// What an application may see of the endpoints of its client.
import type { BreakerState } from '@holdfast/transport/circuit-breaker';

export type EndpointView = {
  readonly address: string;
  readonly state: 'healthy' | 'degraded' | 'dead';
  /** What speaks against it; undefined: nothing. */
  readonly reason: string | undefined;
  /** In a row. */
  readonly failures: number;
  /** Since its last byte; undefined: none has come yet. */
  readonly lastSuccessAgeMs: number | undefined;
  /** Since it was last looked at, by a call or a ping. */
  readonly lastCheckAgeMs: number | undefined;
  /** Whether calls are let through. */
  readonly breaker: BreakerState;
  /** The same, for an endpoint that lives and answers slowly. */
  readonly slowBreaker: BreakerState;
  /** Requests without their whole answer, open watches among them. */
  readonly underWay: number;
};
