// What is known of one link to a peer, for the checker, for people and for metrics; and the
// four reasons for which a checker ends one. Pure.
import type { Purpose } from './handshake.ts';
import { consecutiveFailures, type LinkHealth } from './link-health.ts';

export type LinkRecord = {
  readonly purpose: Purpose;
  readonly health: LinkHealth;
  /** Since when its connection stands; undefined: there is none now. Monotonic, as the others. */
  readonly openSinceMs: number | undefined;
  /** When a frame was last sent for somebody; pings are no use. */
  readonly lastUseMs: number | undefined;
};

/**
 * `call-failed`: A-13. `operator`: somebody asked for it. `breaker`: A-10. `path`: the way was dark
 * and is lit again, and TCP would wait before it says so.
 */
export const evictionReasons = [
  'dead',
  'idle',
  'failures',
  'stale',
  'breaker',
  'call-failed',
  'operator',
  'path',
] as const;

export type EvictionReason = (typeof evictionReasons)[number];

export type CheckerSettings = {
  /** Between two looks of the checker. */
  readonly checkMs: number;
  /** Log and bulk connections that were not used for so long are ended. */
  readonly idleMs: number;
  /** Connections with so many failures in a row are ended. */
  readonly failuresMax: number;
  /** A connection that nobody has judged for so long is ended. */
  readonly staleMs: number;
};

/** */
export const defaultCheckerSettings: CheckerSettings = {
  checkMs: 10_000,
  idleMs: 30_000,
  failuresMax: 3,
  staleMs: 30_000,
};

/** Why the link's connection should end now; undefined: it should not, or there is none. */
export function reasonToEvict(
  record: LinkRecord,
  nowMs: number,
  settings: CheckerSettings,
): EvictionReason | undefined {
  const { health, openSinceMs } = record;
  if (openSinceMs === undefined) return undefined;
  if (health.state.name === 'dead') return 'dead';
  if (consecutiveFailures(health) >= settings.failuresMax) return 'failures';
  if (nowMs - (health.lastCheckMs ?? openSinceMs) > settings.staleMs) return 'stale';
  // On a control connection a pong is use enough (safety.md 18).
  // One that was just dialled has had no time to be used.
  const usedMs = Math.max(record.lastUseMs ?? openSinceMs, openSinceMs);
  const isIdle = record.purpose !== 'control' && nowMs - usedMs > settings.idleMs;
  return isIdle ? 'idle' : undefined;
}

/** What is known against a link, in words. */
export const whyOf = ({ health }: LinkRecord): string =>
  health.state.name === 'healthy' ? 'nothing speaks against the peer' : health.state.reason;
