// One stream of a watch as items, whatever it came in: a watch in frames, or server-sent events.
// Which of them are news, and what follows its end, is resuming-watch.ts' to say.
import type { Clock, Timer } from '@holdfast/base/clock';
import type { HoldfastError } from '@holdfast/base/errors';
import type { WatchEvent } from '@holdfast/proto/client';

import type { ClientSettings } from './client-settings.ts';
import { errorOf } from './errors.ts';
import type { StandingWatch } from './frame-port.ts';
import { TransportFailure } from './http-port.ts';
import { type ServerSentEvent, SseParser } from './sse-parser.ts';
import type { WireAnswer } from './wires.ts';

/** What one frame means; a frame that is only the stream's own business is none. */
export type WatchFrame = { readonly type: string; readonly data: unknown };

/** Of server-sent events it has frames, of a watch in frames it has events. */
export type WatchItem = {
  readonly revision: number;
  readonly frames: readonly WatchFrame[];
  readonly events?: readonly WatchEvent[];
  /** It speaks of what is below its revision; only another one is owed no more itself. */
  readonly isProgress: boolean;
};

export type WatchStreamPorts = {
  readonly clock: Clock;
  readonly settings: () => Pick<ClientSettings, 'streamSilenceMs'>;
  /** Ends the stream. */
  readonly end: AbortController;
};

type OpenAnswer = WireAnswer & { readonly endpoint?: string };

const frameBytesMax = 8 * 1_048_576;

/** All that it says until it ends; throws what it ends with. Whoever leaves early closes it. */
export async function* watchItems(
  answer: OpenAnswer,
  ports: WatchStreamPorts,
): AsyncGenerator<WatchItem, void, void> {
  const silence = new Silence(answer.endpoint ?? 'the endpoint', ports);
  try {
    if (answer.watch) yield* itemsInFrames(answer.watch, silence);
    else yield* itemsInEvents(answer.body, silence);
  } catch (error) {
    throw ports.end.signal.reason ?? error;
  } finally {
    silence.stop();
    answer.discard();
  }
}

async function* itemsInFrames(
  watch: StandingWatch,
  silence: Silence,
): AsyncGenerator<WatchItem, never, void> {
  yield { revision: watch.startedAt, frames: [], isProgress: false };
  for (;;) {
    silence.begin();
    const item = await watch.next();
    silence.stop();
    const { revision } = item;
    if (item.type === 'progress') yield { revision, frames: [], isProgress: true };
    else yield { revision, frames: [], events: item.events, isProgress: false };
  }
}

async function* itemsInEvents(
  body: AsyncIterable<Uint8Array>,
  silence: Silence,
): AsyncGenerator<WatchItem, void, void> {
  const parser = new SseParser(frameBytesMax);
  let frames: WatchFrame[] = [];
  silence.begin();
  for await (const part of body) {
    silence.stop();
    for (const event of parser.push(part)) {
      const frame = frameOf(event);
      if (frame !== undefined) frames.push(frame);
      if (event.id === undefined) continue;
      const revision = Number(event.id);
      const item = { revision, frames, isProgress: event.type === 'progress' };
      frames = [];
      yield item;
    }
    silence.begin();
  }
}

/**
 * Where its endpoint is silent, that one's pings end the stream; one that is silent alone is
 * noticed here, while its reader waits for it.
 */
class Silence {
  readonly #endpoint: string;
  readonly #ports: WatchStreamPorts;
  #timer: Timer | undefined;

  constructor(endpoint: string, ports: WatchStreamPorts) {
    this.#endpoint = endpoint;
    this.#ports = ports;
  }

  begin(): void {
    const { clock, settings, end } = this.#ports;
    const { streamSilenceMs } = settings();
    const action = (): void => end.abort(noSign(this.#endpoint, streamSilenceMs));
    this.#timer = clock.schedule(streamSilenceMs, action);
  }

  stop(): void {
    this.#timer?.cancel();
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
