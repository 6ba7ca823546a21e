// A watch as server-sent events (WHATWG HTML 9.2), for keys and for configurations. The next item
// is pulled only when the socket has taken the last one, so a slow reader costs no memory; a client
// that goes closes its watch. Errors before the first byte are plain problems (410 with the compact
// revision); later ones are an event (`gap`, `error`), after which the stream ends.
import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';

import type { Timer } from '@holdfast/base/clock';
import { HoldfastError } from '@holdfast/base/errors';
import { type Revision, revision } from '@holdfast/base/ids';
import type { WatchItem, WatchStream } from '@holdfast/engine/engine';
import type { FastifyReply, FastifyRequest } from 'fastify';

import { invalid, maxAgeOf, naturalOf, type Query } from './call-options.ts';
import { frameText, type SharedFrames } from './event-frames.ts';
import type { HttpContext } from './http-context.ts';
import { problemOf, problemText } from './problem.ts';

/** What the client is told to wait before it connects again. */
const retryMs = 1000;

export type EventItem = Extract<WatchItem, { readonly type: 'events' }>;

type ProgressItem = Extract<WatchItem, { readonly type: 'progress' }>;

/** A WatchStream of the engine, or one of a service that decodes it. */
type ItemStream<Item> = AsyncIterable<Item | ProgressItem> &
  Pick<WatchStream, 'startedAt' | 'close'>;

type AnyItem = Pick<EventItem, 'type' | 'revision'> & { readonly events: readonly object[] };

export type EventStreamOptions<Item extends AnyItem> = {
  /** As `startRevisionOf` gave it: undefined = from now on. */
  readonly startRevision: Revision | undefined;
  /** Opens the watch; what it throws is answered as a problem. `signal` ends with the client. */
  open(signal: AbortSignal): Promise<ItemStream<Item>>;
  readonly frames: SharedFrames<Item>;
};

/**
 * Where a watch begins: `Last-Event-ID` (a reconnecting client has seen that revision) goes before
 * `?revision=` (the first one wanted).
 */
export function startRevisionOf(request: FastifyRequest, query: Query): Revision | undefined {
  const seen = request.headers['last-event-id'];
  if (seen !== undefined) {
    if (typeof seen === 'string' && /^\d{1,15}$/.test(seen)) return revision(Number(seen) + 1);
    throw invalid(`Last-Event-ID is a revision, not ${JSON.stringify(seen)}`);
  }
  const wanted = naturalOf(query, 'revision');
  return wanted === undefined || wanted === 0 ? undefined : revision(wanted);
}

/** Answers with the events until the client goes, the watch ends or the socket stalls. */
export async function streamEvents<Item extends AnyItem>(
  context: HttpContext,
  { request, reply }: { readonly request: FastifyRequest; readonly reply: FastifyReply },
  options: EventStreamOptions<Item>,
): Promise<void> {
  const gone = new AbortController();
  const response = reply.raw;
  response.once('close', () => gone.abort(clientGone()));
  const unguard = guardFresh(context, request, (reason) => gone.abort(reason));
  try {
    const stream = await options.open(gone.signal);
    reply.hijack();
    const ends = { request: request.raw, response, stream, gone };
    await new EventStream(context, ends, options).run();
  } finally {
    unguard();
  }
}

/**
 * `Holdfast-Max-Age-Ms`: the stream ends with `stale-unknown` once this member may know of nothing
 * younger. A header, so that members of before it leave it be.
 */
function guardFresh(
  { freshStreams }: HttpContext,
  { headers }: FastifyRequest,
  end: (reason: HoldfastError) => void,
): () => void {
  const maxAgeMs = maxAgeOf(headers);
  return maxAgeMs === undefined ? () => undefined : freshStreams.guard(maxAgeMs, end);
}

const clientGone = (): HoldfastError => new HoldfastError('cancelled', 'the client has gone');

type StreamEnds<Item> = {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly stream: ItemStream<Item>;
  readonly gone: AbortController;
};

class EventStream<Item extends AnyItem> {
  readonly #context: HttpContext;
  readonly #ends: StreamEnds<Item>;
  readonly #options: EventStreamOptions<Item>;
  #heartbeat: Timer | undefined;
  /** The last id that the client was given. */
  #seen = 0;

  constructor(context: HttpContext, ends: StreamEnds<Item>, options: EventStreamOptions<Item>) {
    this.#context = context;
    this.#ends = ends;
    this.#options = options;
  }

  async run(): Promise<void> {
    const { stream, response, gone } = this.#ends;
    const end = (reason: HoldfastError): void => gone.abort(reason);
    gone.signal.addEventListener('abort', () => stream.close(), { once: true });
    this.#context.streams.add(end);
    try {
      this.#begin();
      for await (const item of stream) {
        if (gone.signal.aborted) break;
        await this.#write(this.#render(item));
      }
      if (gone.signal.aborted) this.#tell(gone.signal.reason);
    } catch (error) {
      this.#tell(gone.signal.aborted ? gone.signal.reason : error);
    } finally {
      this.#context.streams.delete(end);
      this.#heartbeat?.cancel();
      stream.close();
      response.end();
    }
  }

  /** The head at once, and a first id: who is cut off before the first event loses nothing. */
  #begin(): void {
    const { response, stream } = this.#ends;
    const { startRevision } = this.#options;
    this.#seen = startRevision === undefined ? stream.startedAt : startRevision - 1;
    const started = { event: 'started', data: { revision: this.#seen } };
    response.writeHead(200, {
      'Content-Type': 'text/event-stream',
      'Cache-Control': 'no-store',
      'X-Accel-Buffering': 'no',
      'X-Holdfast-Revision': String(stream.startedAt),
    });
    response.write(`retry: ${retryMs}\n${frameText(started, this.#seen)}`);
    this.#beat();
  }

  #beat(): void {
    const { response } = this.#ends;
    this.#heartbeat = this.#context.clock.schedule(this.#context.limits.heartbeatMs, () => {
      // A comment on a full socket would only pile up: what waits there shows life enough.
      if (!response.writableNeedDrain) response.write(': alive\n\n');
      this.#beat();
    });
  }

  #render(item: Item | ProgressItem): string | Buffer {
    if (item.type === 'progress') return this.#renderProgress(item.revision);
    this.#seen = item.revision;
    return this.#options.frames.render(item);
  }

  /**
   * Nothing below `at` is owed (safety.md 22): one less may be called seen, and no id goes back.
   */
  #renderProgress(at: number): string {
    this.#seen = Math.max(this.#seen, at - 1);
    return frameText({ event: 'progress', data: { revision: at } }, this.#seen);
  }

  /** Resolves when the socket has room again, or the client has gone. */
  async #write(text: string | Buffer): Promise<void> {
    const { response, gone } = this.#ends;
    if (text.length === 0 || response.write(text)) return;
    try {
      await once(response, 'drain', { signal: gone.signal });
    } catch (error) {
      // The client went away while its socket was full: the caller's loop sees that and ends.
      if (!gone.signal.aborted) throw error;
    }
  }

  /** A stream that breaks says why before it ends. */
  #tell(error: unknown): void {
    const { response, request } = this.#ends;
    if (response.destroyed) return;
    const problem = problemOf(error);
    if (problem.code === 'internal') this.#context.onFault(error, request.url ?? '');
    const event = problem.code === 'compacted' ? 'gap' : 'error';
    response.write(`event: ${event}\ndata: ${problemText(problem)}\n\n`);
  }
}
