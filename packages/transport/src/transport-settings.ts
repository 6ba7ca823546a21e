// Every number of the package, with its default and source.
import { type BreakerSettings, defaultBreakerSettings } from './circuit-breaker.ts';
import { type CheckerSettings, defaultCheckerSettings } from './link-record.ts';
import { type CallSettings, defaultCallSettings } from './peer-calls.ts';
import { defaultSilenceSettings, type SilenceSettings } from './silence-watch.ts';

export type TransportSettings = {
  /** a dial, from the first packet to the finished handshake. */
  readonly connectTimeoutMs: number;
  /** An accepted connection must have introduced itself by then. */
  readonly handshakeTimeoutMs: number;
  /** Connections that have not introduced themselves; the oldest goes when one more comes. */
  readonly strangersMax: number;
  /**
   * An accepted connection on which nothing came for so long is closed: its dialler pings sooner.
   */
  readonly inboundSilenceMs: number;
  readonly silence: SilenceSettings;
  readonly checker: CheckerSettings;
  readonly breaker: BreakerSettings;
  /** Of peers that live and answer slowly. */
  readonly slowBreaker: BreakerSettings;
  readonly calls: CallSettings;
  /** safety.md 18, the background prober: Backoff waits between a half and the whole of these. */
  readonly redialInitialMs: number;
  readonly redialMaxMs: number;
  /** While a dial is not answered, another one goes out after so long (steady-dial.ts). */
  readonly dialAgainMs: number;
  /**
   * Between two looks at links in use: one that was not heard of for two looks after a ping stands
   * still, and the way to the peer is probed (path-probe.ts). No verdict on the peer.
   */
  readonly linkLookMs: number;
  /** After the first dial that failed otherwise than by a refusal. */
  readonly secondLookMs: number;
  /** After two connections in a row that lived less, the next dial waits. */
  readonly steadyMs: number;
  readonly controlQueueBytesMax: number;
  readonly logQueueBytesMax: number;
  /** Snapshot bytes on the way that the receiver has not consumed. */
  readonly snapshotWindowBytes: number;
  readonly snapshotChunkBytes: number;
  /** At close(): how long pending bytes may take to leave. */
  readonly closeGraceMs: number;
};

export const defaultTransportSettings: TransportSettings = {
  connectTimeoutMs: 3000,
  handshakeTimeoutMs: 3000,
  strangersMax: 256,
  inboundSilenceMs: 15_000,
  silence: defaultSilenceSettings,
  checker: defaultCheckerSettings,
  breaker: defaultBreakerSettings,
  slowBreaker: defaultBreakerSettings,
  calls: defaultCallSettings,
  redialInitialMs: 500,
  // Rule 18 allows 2 s; a partition that heals is to be one cluster again within them.
  redialMaxMs: 1000,
  dialAgainMs: 1000,
  linkLookMs: 500,
  secondLookMs: 50,
  steadyMs: 250,
  controlQueueBytesMax: 1024 * 1024,
  logQueueBytesMax: 64 * 1024 * 1024,
  snapshotWindowBytes: 4 * 1024 * 1024,
  snapshotChunkBytes: 256 * 1024,
  closeGraceMs: 500,
};
