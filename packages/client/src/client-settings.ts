// Every number of the SDK, with its default and source. They are asked for each time, so that a
// change holds from the next call, ping or failure on.
import { HoldfastError } from '@holdfast/base/errors';
import { type BreakerSettings, defaultBreakerSettings } from '@holdfast/transport/circuit-breaker';
import { defaultSilenceSettings, type SilenceSettings } from '@holdfast/transport/silence-watch';

import { defaultRetrySettings, type RetrySettings } from './retry-budget.ts';

export type SlownessSettings = {
  /** From a request to the first byte of its answer: one that takes so long is slow. */
  readonly slowMs: number;
  /** A request with a longer body takes its time on the way, which is not the endpoint's fault. */
  readonly bodyBytesMax: number;
};

export type ProbeSettings = {
  /** safety.md 18: between two looks at an endpoint that is dead; half to the whole of these. */
  readonly initialMs: number;
  readonly maxMs: number;
  /** A client that nobody has used for so long looks no more; the next call begins it again. */
  readonly idleMs: number;
};

export type ClientSettings = {
  /** For a whole call with all its tries. */
  readonly timeoutMs: number;
  /** From a request to the first byte of its answer, per try, where another try is allowed. */
  readonly firstByteMs: number;
  /** How long a read waits for one endpoint before it asks the next one too. */
  readonly hedgeMs: number;
  /** A byte within this time proves that an endpoint is worth a write without asking first. */
  readonly provenMs: number;
  /**
   * A member that can serve nobody now (no leader, no majority, starting, ending) is asked after
   * the others for so long (B-15: out of routing at once).
   */
  readonly restMs: number;
  /** Read when the client is made, as `connectionsMax` is. */
  readonly connectTimeoutMs: number;
  /** Of HTTP to one endpoint; pings have a connection of their own. */
  readonly connectionsMax: number;
  /** A connection of frames on which nothing was under way for so long is let go. */
  readonly connectionIdleMs: number;
  /**
   * The server says every 15 s that a stream lives: twice that and a bit without a byte, and its
   * connection is dark, though its endpoint lives.
   */
  readonly streamSilenceMs: number;
  /** A watch goes on elsewhere where its member may know of nothing younger than this. */
  readonly watchAgeMs: number;
  /** safety.md 17. */
  readonly silence: SilenceSettings;
  /** */
  readonly breaker: BreakerSettings;
  /** Of endpoints that live and answer slowly. */
  readonly slowBreaker: BreakerSettings;
  readonly slowness: SlownessSettings;
  readonly probe: ProbeSettings;
  readonly retries: RetrySettings;
};

/** an endpoint that answers in 4 s is slow. */
const defaultSlowness: SlownessSettings = { slowMs: 2_000, bodyBytesMax: 64 * 1024 };

export const defaultClientSettings: ClientSettings = {
  timeoutMs: 10_000,
  firstByteMs: 3_000,
  hedgeMs: 300,
  provenMs: 4_000,
  restMs: 1_000,
  connectTimeoutMs: 3_000,
  connectionsMax: 256,
  connectionIdleMs: 30_000,
  streamSilenceMs: 35_000,
  watchAgeMs: 5_000,
  silence: defaultSilenceSettings,
  breaker: defaultBreakerSettings,
  slowBreaker: defaultBreakerSettings,
  slowness: defaultSlowness,
  probe: { initialMs: 500, maxMs: 2_000, idleMs: 5 * 60_000 },
  retries: defaultRetrySettings,
};

/** What an application says differently; what it leaves out stays as it is. */
export type ClientSettingsChange = {
  readonly [Name in keyof ClientSettings]?: ClientSettings[Name] extends number
    ? number
    : Partial<ClientSettings[Name]>;
};

/** Throws `invalid-argument` for a name that there is not, and for a number that makes no sense. */
export function withChange(now: ClientSettings, change: ClientSettingsChange): ClientSettings {
  return merged(now, change, '') as ClientSettings;
}

type Numbers = { readonly [name: string]: number | Numbers };

function merged(now: Numbers, change: object, path: string): Numbers {
  const next = { ...now };
  for (const [name, value] of Object.entries(change) as [string, unknown][]) {
    const old = now[name];
    const at = `${path}${name}`;
    if (old === undefined) throw wrong(`the client has no setting "${at}"`);
    next[name] = typeof old === 'number' ? checked(at, value) : merged(old, value ?? {}, `${at}.`);
  }
  return next;
}

/** Retries and the own lag may be allowed none; any other number stands for something. */
const mayBeZero: ReadonlySet<string> = new Set([
  'retries.perSecond',
  'retries.burst',
  'silence.ownLagMs',
]);

function checked(name: string, value: unknown): number {
  const isSound = typeof value === 'number' && Number.isFinite(value) && value >= 0;
  if (isSound && (value > 0 || mayBeZero.has(name))) return value;
  throw wrong(`the client's setting "${name}" is a number above zero, not ${String(value)}`);
}

const wrong = (message: string): HoldfastError => new HoldfastError('invalid-argument', message);
