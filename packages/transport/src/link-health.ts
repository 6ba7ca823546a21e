// The health record of one peer: a pure value and its transitions (A-06, A-07, safety.md 17).
//
//   healthy --fail--> degraded(1) --fail--> degraded(2) --fail--> dead(3...)    success: healthy
//
// A refused connection is death at once (safety.md 12). Nothing here watches, pings or closes.

export type HealthState =
  | { readonly name: 'healthy' }
  | { readonly name: 'degraded'; readonly failures: number; readonly reason: string }
  | {
      readonly name: 'dead';
      readonly failures: number;
      readonly reason: string;
      readonly sinceMs: number;
    };

export type LinkHealth = {
  readonly address: string;
  /** Monotonic times; undefined = never. */
  readonly lastSuccessMs: number | undefined;
  readonly lastCheckMs: number | undefined;
  readonly state: HealthState;
};

/** Consecutive failures that make a link dead, where the ping rule asks for no other. */
export const deadFailures = 3;

const healthyState: HealthState = { name: 'healthy' };

export const newLinkHealth = (address: string): LinkHealth => ({
  address,
  lastSuccessMs: undefined,
  lastCheckMs: undefined,
  state: healthyState,
});

export const consecutiveFailures = ({ state }: LinkHealth): number =>
  state.name === 'healthy' ? 0 : state.failures;

/** An application's answer; a TCP connect is none. */
export const withSuccess = (health: LinkHealth, nowMs: number): LinkHealth => ({
  ...health,
  lastSuccessMs: nowMs,
  lastCheckMs: nowMs,
  state: { name: 'healthy' },
});

/** It was looked at, and bytes had come at `heardMs`; nothing else has changed. */
export const withLife = (health: LinkHealth, nowMs: number, heardMs: number): LinkHealth => ({
  ...health,
  lastSuccessMs: Math.max(health.lastSuccessMs ?? heardMs, heardMs),
  lastCheckMs: nowMs,
});

export type Failure = {
  readonly nowMs: number;
  readonly reason: string;
  /** Failures in a row that are death; default: `deadFailures`. */
  readonly deadAt?: number;
};

export function withFailure(health: LinkHealth, failure: Failure): LinkHealth {
  return withFailures(health, consecutiveFailures(health) + 1, failure);
}

/** So many pings in a row had no answer: the count begins anew after the own process slept. */
export function withSilence(health: LinkHealth, pings: number, failure: Failure): LinkHealth {
  return withFailures(health, pings, failure);
}

export function withRefusal(health: LinkHealth, failure: Failure): LinkHealth {
  return withFailures(health, Math.max(deadFailures, consecutiveFailures(health) + 1), failure);
}

function withFailures(health: LinkHealth, failures: number, failure: Failure): LinkHealth {
  const { nowMs, reason, deadAt = deadFailures } = failure;
  const before = health.state;
  const sinceMs = before.name === 'dead' ? before.sinceMs : nowMs;
  const state: HealthState =
    failures >= deadAt
      ? { name: 'dead', failures, reason, sinceMs }
      : { name: 'degraded', failures, reason };
  return { ...health, lastCheckMs: nowMs, state };
}
