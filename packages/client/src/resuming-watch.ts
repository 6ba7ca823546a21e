// A watch that outlives its connections: it reads one stream after the other, a watch in frames or
// server-sent events, and begins each where the last one ended, on whichever endpoint answers.
// Events are handed on only with all of their revision, so that a break in the middle of a
// transaction neither loses nor repeats a part of it (safety.md rule 22).
import { Backoff } from '@holdfast/base/backoff';
import { type Clock, sleep } from '@holdfast/base/clock';
import { isHoldfastError } from '@holdfast/base/errors';
import type { Random } from '@holdfast/base/random';

import type { Caller } from './caller.ts';
import type { ClientSettings } from './client-settings.ts';
import { foreignReason } from './errors.ts';
import type { FrameWatchOrder } from './frame-watches.ts';
import { TransportFailure } from './http-port.ts';
import { type WatchItem, watchItems } from './watch-streams.ts';
import type { WireAnswer } from './wires.ts';

export type ResumingWatchOptions = {
  /** The path with the watch's query, to which the start is added. */
  readonly path: string;
  /** The same for frames; its start is added, too. Undefined: it goes over HTTP alone. */
  readonly order?: FrameWatchOrder | undefined;
  /** The first revision wanted; undefined: what comes after the watch stands. */
  readonly fromRevision: number | undefined;
  readonly signal: AbortSignal | undefined;
};

export type ResumingWatchPorts = {
  readonly caller: Caller;
  readonly clock: Clock;
  readonly random: Random;
  readonly settings: () => Pick<ClientSettings, 'streamSilenceMs' | 'watchAgeMs'>;
};

/** So many tries in a row that reach nobody, and the watch ends with the last failure. */
const failuresMax = 40;
/** No server takes a longer number. */
const maxAgeMsMax = 999_999_999;

type OpenAnswer = WireAnswer & { readonly endpoint: string };

/**
 * Throws `compacted` where the history that it needs is gone, and the last failure where nobody can
 * be reached for a long time; ends by itself only when its signal aborts or the client is closed.
 */
export async function* resumingWatch(
  options: ResumingWatchOptions,
  ports: ResumingWatchPorts,
): AsyncGenerator<WatchItem, void, void> {
  const open = ports.caller.calls.begin(options.signal);
  try {
    yield* streams({ ...options, signal: open.signal }, ports);
  } finally {
    open.end();
  }
}

type Watching = ResumingWatchOptions & { readonly signal: AbortSignal };

async function* streams(
  options: Watching,
  ports: ResumingWatchPorts,
): AsyncGenerator<WatchItem, void, void> {
  const { signal } = options;
  const backoff = new Backoff({ initialMs: 50, maxMs: 2_000 }, ports.random);
  const position: Position = { next: options.fromRevision, failures: 0, hasStood: false };
  for (;;) {
    signal.throwIfAborted();
    let isFree = true;
    try {
      for await (const item of oneStream(options, ports, position)) {
        backoff.reset();
        if (item.frames.length > 0 || item.events) yield item;
      }
    } catch (error) {
      signal.throwIfAborted();
      // Where no member has a majority there is nothing to be missed: that may last.
      if (!isHoldfastError(error, 'stale-unknown')) position.failures += 1;
      if (!mayResume(error, position) || position.failures >= failuresMax) throw error;
      isFree = error instanceof TransportFailure;
    }
    // A member that refuses is asked again as often as the client may (retry-budget.ts).
    do await sleep(ports.clock, backoff.nextMs(), signal);
    while (!isFree && !ports.caller.budget.take());
  }
}

type Position = {
  /** The first revision that is still owed; undefined until a stream has said where it stands. */
  next: number | undefined;
  /** Tries without a stream, in a row. */
  failures: number;
  /** A member has once answered it. */
  hasStood: boolean;
};

/** Every item of one connection, in order; the position moves before an item is handed on. */
async function* oneStream(
  options: Watching,
  ports: ResumingWatchPorts,
  position: Position,
): AsyncGenerator<WatchItem, void, void> {
  const end = new AbortController();
  const onAbort = (): void => end.abort(options.signal.reason);
  options.signal.addEventListener('abort', onAbort, { once: true });
  try {
    const answer = await open(options, ports, { position, signal: end.signal });
    position.failures = 0;
    position.hasStood = true;
    const { clock, settings } = ports;
    for await (const item of watchItems(answer, { clock, settings, end })) {
      if (isRepeated(item, position)) continue;
      position.next = item.isProgress ? item.revision : item.revision + 1;
      yield item;
    }
  } finally {
    options.signal.removeEventListener('abort', onAbort);
    end.abort(new Error('the watch has ended'));
  }
}

async function open(
  { path, order }: ResumingWatchOptions,
  { caller, settings }: ResumingWatchPorts,
  { position, signal }: { readonly position: Position; readonly signal: AbortSignal },
): Promise<OpenAnswer> {
  const joint = path.includes('?') ? '&' : '?';
  const start = position.next === undefined ? '' : `${joint}revision=${position.next}`;
  // A member that has lost the others shall say so, and not wait for them with its watchers.
  const maxAgeMs = Math.min(Math.ceil(settings().watchAgeMs), maxAgeMsMax);
  const fresh = { 'holdfast-max-age-ms': String(maxAgeMs) };
  const call = { kind: 'read', method: 'GET', path: `${path}${start}`, headers: fresh } as const;
  const watch = order && { ...order, startRevision: position.next ?? 0, maxAgeMs };
  return caller.open({ ...call, watch }, signal);
}

/** A `started` frame stands one before the first revision that is owed: it moves nothing back. */
const isRepeated = (item: WatchItem, position: Position): boolean =>
  position.next !== undefined && item.revision < position.next;

/**
 * Everything but a refusal that the next endpoint would give as well; and a watch that begins where
 * others than members listen has the wrong endpoints. A failing proxy (5xx) may recover.
 */
function mayResume(error: unknown, { hasStood }: Position): boolean {
  if (!isHoldfastError(error)) return false;
  const { reason, status } = error.details;
  if (!hasStood && reason === foreignReason && Number(status) < 500) return false;
  return error.retryable || error.code === 'cancelled';
}
