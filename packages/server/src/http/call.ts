// One request on its way to the engine: its query, who asks, and until when it waits.
import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';

import type { Deadline } from '@holdfast/base/deadline';
import type { Subject } from '@holdfast/domain/subject';
import type { ReadOptions, WriteOptions } from '@holdfast/engine/engine';
import type { FastifyRequest } from 'fastify';
import {
  consistencyOf,
  invalid,
  parseQuery,
  type Query,
  readParameters,
  revisionOf,
  sessionOf,
  timeoutOf,
} from './call-options.ts';
import { actorOf, subjectOf } from './caller.ts';
import type { HttpContext } from './http-context.ts';

/** Who asks, and until when it waits. */
export type Asker = {
  readonly actor: string;
  readonly subject: Subject | undefined;
  readonly signal: AbortSignal;
};

const noQuery: Query = Object.freeze({});

export class Call {
  readonly query: Query;
  readonly actor: string;
  /** Who is proven to ask; looked for only while it matters. */
  readonly subject: Subject | undefined;
  readonly #headers: IncomingHttpHeaders;
  readonly #deadline: Deadline;

  /** Throws `invalid-argument` before anything was begun. */
  constructor(context: HttpContext, raw: IncomingMessage, known: readonly string[]) {
    const { headers } = raw;
    this.#headers = headers;
    this.query = queryOf(raw.url ?? '', known);
    this.actor = actorOf(raw);
    this.subject = context.access.isOn ? subjectOf(raw) : undefined;
    this.#deadline = context.deadlines.begin(timeoutOf(headers));
  }

  get signal(): AbortSignal {
    return this.#deadline.signal;
  }

  /** Of a call that neither reads at a level nor stands in a session. */
  get asker(): Asker {
    return { actor: this.actor, subject: this.subject, signal: this.signal };
  }

  /** With the session that the headers name. */
  get write(): WriteOptions {
    const options = this.asker;
    const session = sessionOf(this.#headers);
    return session === undefined ? options : { ...options, session };
  }

  /** Of a write that can be in no session: one that is repeated does no harm. */
  get plainWrite(): WriteOptions {
    if (sessionOf(this.#headers)) throw invalid('this call takes no session: it may be repeated');
    return this.asker;
  }

  /** The query's `consistency`, `max-age-ms` and `min-revision`. */
  get read(): ReadOptions {
    if (this.query === noQuery) return this.asker;
    const minRevision = revisionOf(this.query, 'min-revision');
    const consistency = consistencyOf(this.query);
    const { actor, subject, signal } = this;
    const options = { actor, subject, signal, consistency };
    return minRevision === undefined ? options : { ...options, minRevision };
  }

  /** Frees the deadline: exactly once, in `finally`. */
  dispose(): void {
    this.#deadline.dispose();
  }
}

function queryOf(url: string, known: readonly string[]): Query {
  const at = url.indexOf('?');
  return at < 0 ? noQuery : parseQuery(url.slice(at + 1), known);
}

/**
 * Runs a route's work with a call, whose deadline ends with it. `own`: parameters beside the
 * reads'.
 */
export async function withCall<T>(
  context: HttpContext,
  { request, own }: { readonly request: FastifyRequest; readonly own?: readonly string[] },
  run: (call: Call) => Promise<T>,
): Promise<T> {
  const call = new Call(context, request.raw, [...readParameters, ...(own ?? [])]);
  try {
    return await run(call);
  } finally {
    call.dispose();
  }
}
