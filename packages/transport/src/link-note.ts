// What happens to the links of a member, as its log and its metrics tell it.
import type { MemberId } from '@holdfast/base/ids';
import type { BreakerState } from './circuit-breaker.ts';
import type { Purpose } from './handshake.ts';
import type { HealthState } from './link-health.ts';
import type { EvictionReason } from './link-record.ts';

export type LinkNote =
  /** `why`: what is behind the reason, in words. */
  | {
      readonly type: 'evicted';
      readonly peer: MemberId;
      readonly purpose: Purpose;
      readonly reason: EvictionReason;
      readonly why: string;
    }
  /** Of the control connection, which speaks for the peer. `silentMs`: since its last byte. */
  | {
      readonly type: 'health';
      readonly peer: MemberId;
      readonly from: HealthState;
      readonly to: HealthState;
      readonly silentMs: number | undefined;
    }
  | {
      readonly type: 'breaker';
      /** Set aside because it is silent, or because it is slow. */
      readonly of: 'silence' | 'slowness';
      readonly peer: MemberId;
      readonly from: BreakerState;
      readonly to: BreakerState;
    };
