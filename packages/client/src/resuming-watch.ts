// A watch that outlives its connections: it reads one stream of server-sent events after the other
// and begins each where the last one ended, on whichever endpoint answers. Frames are handed on
// only with the frame that carries their revision, so that a break in the middle of a transaction
// neither loses nor repeats a part of it (safety.md rule 22).
import { Backoff } from '@holdfast/base/backoff';
import { type Clock, sleep, type Timer } from '@holdfast/base/clock';
import { type HoldfastError, isHoldfastError } from '@holdfast/base/errors';
import type { Random } from '@holdfast/base/random';

import type { Caller } from './caller.ts';
import type { ClientSettings } from './client-settings.ts';
import { errorOf } from './errors.ts';
import { type HttpAnswer, TransportFailure } from './http-port.ts';
import { type ServerSentEvent, SseParser } from './sse-parser.ts';

/** What one frame means; a frame that is only the stream's own business is none. */
export type WatchFrame = { readonly type: string; readonly data: unknown };

export type ResumingWatchOptions = {
  /** The path with the watch's query, to which the start is added. */
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
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

const frameBytesMax = 8 * 1_048_576;
/** So many tries in a row that reach nobody, and the watch ends with the last failure. */
const failuresMax = 40;
/** No server takes a longer number. */
const maxAgeMsMax = 999_999_999;

type Item = { readonly revision: number; readonly frames: readonly WatchFrame[] };

/**
 * Throws `compacted` where the history that it needs is gone, and the last failure where nobody can
 * be reached for a long time; ends by itself only when its signal aborts or the client is closed.
 */
export async function* resumingWatch(
  options: ResumingWatchOptions,
  ports: ResumingWatchPorts,
): AsyncGenerator<Item, void, void> {
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
): AsyncGenerator<Item, void, void> {
  const { signal } = options;
  const backoff = new Backoff({ initialMs: 50, maxMs: 2_000 }, ports.random);
  const position: Position = { next: options.fromRevision, failures: 0 };
  for (;;) {
    signal.throwIfAborted();
    let isFree = true;
    try {
      for await (const item of oneStream(options, ports, position)) {
        backoff.reset();
        if (item.frames.length > 0) yield item;
      }
    } catch (error) {
      signal.throwIfAborted();
      // Where no member has a majority there is nothing to be missed: that may last.
      if (!isHoldfastError(error, 'stale-unknown')) position.failures += 1;
      if (!mayResume(error) || position.failures >= failuresMax) throw error;
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
};

/** Every item of one connection, in order; the position moves before an item is handed on. */
async function* oneStream(
  options: Watching,
  ports: ResumingWatchPorts,
  position: Position,
): AsyncGenerator<Item, void, void> {
  const end = new AbortController();
  const onAbort = (): void => end.abort(options.signal.reason);
  options.signal.addEventListener('abort', onAbort, { once: true });
  try {
    const answer = await open(options, ports, { position, signal: end.signal });
    position.failures = 0;
    const parser = new SseParser(frameBytesMax);
    let frames: WatchFrame[] = [];
    for await (const part of watched(answer, ports, end)) {
      for (const event of parser.push(part)) {
        const frame = frameOf(event);
        if (frame !== undefined) frames.push(frame);
        if (event.id === undefined) continue;
        const item = { revision: Number(event.id), frames };
        frames = [];
        if (isRepeated(item, position)) continue;
        // Progress speaks of what is below its revision; only an item is owed no more itself.
        position.next = event.type === 'progress' ? item.revision : item.revision + 1;
        yield item;
      }
    }
  } finally {
    options.signal.removeEventListener('abort', onAbort);
    end.abort(new Error('the watch has ended'));
  }
}

async function open(
  { path, headers }: ResumingWatchOptions,
  { caller, settings }: ResumingWatchPorts,
  { position, signal }: { readonly position: Position; readonly signal: AbortSignal },
): Promise<HttpAnswer> {
  const joint = path.includes('?') ? '&' : '?';
  const start = position.next === undefined ? '' : `${joint}revision=${position.next}`;
  // A member that has lost the others shall say so, and not wait for them with its watchers.
  const maxAgeMs = Math.min(Math.ceil(settings().watchAgeMs), maxAgeMsMax);
  const fresh = { ...headers, 'holdfast-max-age-ms': String(maxAgeMs) };
  const call = { kind: 'read', method: 'GET', path: `${path}${start}`, headers: fresh } as const;
  return caller.open(call, signal);
}

/**
 * The parts of the body. Where its endpoint is silent, that one's pings end it; a connection that
 * is dark alone is noticed here.
 */
async function* watched(
  answer: HttpAnswer & { readonly endpoint?: string },
  { clock, settings }: ResumingWatchPorts,
  end: AbortController,
): AsyncGenerator<Uint8Array> {
  const endpoint = answer.endpoint ?? 'the endpoint';
  const darken = (): Timer => {
    const { streamSilenceMs } = settings();
    return clock.schedule(streamSilenceMs, () => end.abort(noSign(endpoint, streamSilenceMs)));
  };
  let timer = darken();
  try {
    for await (const part of answer.body) {
      timer.cancel();
      yield part;
      timer = darken();
    }
  } catch (error) {
    throw end.signal.reason ?? error;
  } finally {
    timer.cancel();
    answer.discard();
  }
}

const noSign = (endpoint: string, silenceMs: number): TransportFailure =>
  new TransportFailure(endpoint, `no sign of life for ${silenceMs} ms`, {
    outcome: 'not-applied',
    reason: 'silent',
  });

function frameOf(event: ServerSentEvent): WatchFrame | undefined {
  if (event.type === 'started' || event.type === 'progress') return undefined;
  const data: unknown = JSON.parse(event.data);
  if (event.type === 'gap' || event.type === 'error') throw errorOfEvent(event);
  return { type: event.type, data };
}

/** The data is a problem document; a `gap` without a code is what its name says. */
function errorOfEvent(event: ServerSentEvent): HoldfastError {
  return errorOf(event.type === 'gap' ? 410 : 500, new TextEncoder().encode(event.data));
}

/** A `started` frame stands one before the first revision that is owed: it moves nothing back. */
const isRepeated = (item: Item, position: Position): boolean =>
  position.next !== undefined && item.revision < position.next;

/** Everything but a refusal that the next endpoint would give as well. */
const mayResume = (error: unknown): boolean =>
  isHoldfastError(error) && (error.retryable || error.code === 'cancelled');
