// What the settings say of the connections to peers: how long is waited, what is taken
// for dead, what is ended. All of them may change while the member runs.
import {
  defaultTransportSettings,
  type TransportSettings,
} from '@holdfast/transport/transport-settings';

import type { SettingKey } from './setting-table.ts';

export type ConnectionSettings = Pick<
  TransportSettings,
  | 'connectTimeoutMs'
  | 'silence'
  | 'checker'
  | 'breaker'
  | 'calls'
  | 'slowBreaker'
  | 'redialInitialMs'
  | 'redialMaxMs'
  | 'dialAgainMs'
  | 'linkLookMs'
>;

/** Undefined, or the sentence that says why these can not work together. */
type Check = (settings: ConnectionSettings) => string | undefined;

export function connectionsOf(numberOf: (key: SettingKey) => number): ConnectionSettings {
  return {
    connectTimeoutMs: numberOf('connect-timeout-ms'),
    silence: {
      ...defaultTransportSettings.silence,
      silenceMs: numberOf('ping-silence-ms'),
      pingWaitMs: numberOf('ping-wait-ms'),
      failuresMax: numberOf('ping-failures-max'),
    },
    checker: {
      checkMs: numberOf('connection-check-ms'),
      idleMs: numberOf('connection-idle-ms'),
      failuresMax: numberOf('connection-failures-max'),
      staleMs: numberOf('connection-stale-ms'),
    },
    breaker: {
      failuresMax: numberOf('breaker-failures-max'),
      openMs: numberOf('breaker-open-ms'),
    },
    calls: { ...defaultTransportSettings.calls, slowMs: numberOf('slow-call-ms') },
    slowBreaker: {
      failuresMax: numberOf('slow-breaker-failures-max'),
      openMs: numberOf('slow-breaker-open-ms'),
    },
    redialInitialMs: numberOf('redial-initial-ms'),
    redialMaxMs: numberOf('redial-max-ms'),
    dialAgainMs: numberOf('dial-again-ms'),
    linkLookMs: numberOf('link-look-ms'),
  };
}

/** The first sentence that says why these settings can not work together, if there is one. */
export function connectionsProblem(settings: ConnectionSettings): string | undefined {
  for (const check of checks) {
    const problem = check(settings);
    if (problem !== undefined) return problem;
  }
  return undefined;
}

const checks: readonly Check[] = [
  ({ silence, checker }) => {
    const { silenceMs, pingWaitMs, failuresMax } = silence;
    const judgedMs = silenceMs + pingWaitMs * failuresMax;
    if (checker.staleMs > judgedMs) return undefined;
    return (
      `--connection-stale-ms ${checker.staleMs} is too short: a sound connection may go without ` +
      'a verdict for --ping-silence-ms and --ping-failures-max times --ping-wait-ms, together ' +
      `${judgedMs}; make it more than that`
    );
  },
  ({ checker: { checkMs, idleMs } }) =>
    idleMs >= checkMs
      ? undefined
      : `--connection-idle-ms ${idleMs} is less than --connection-check-ms ${checkMs}: idle ` +
        'connections are only ended when they are looked at; raise the one or lower the other',
  ({ connectTimeoutMs, breaker: { openMs } }) =>
    openMs > connectTimeoutMs
      ? undefined
      : `--breaker-open-ms ${openMs} is too short: a probe that dials for --connect-timeout-ms ` +
        `${connectTimeoutMs} would be given up before it can say how it went; make it more`,
  ({ redialInitialMs, redialMaxMs }) =>
    redialMaxMs >= redialInitialMs
      ? undefined
      : `--redial-max-ms ${redialMaxMs} is less than --redial-initial-ms ${redialInitialMs}: the ` +
        'first wait would be longer than the longest; raise the one or lower the other',
];
