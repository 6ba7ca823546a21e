// The routes of `/v1/kv`, `/v1/txn`, `/v1/compact` and `/v1/kv-watch`: their shapes, and the work
// of those that are not on the hot path.
import { emptyBytes, utf8 } from '@holdfast/base/bytes';
import type { WatchRequest } from '@holdfast/engine/engine';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { type Static, Type } from 'typebox';

import { acceptUnreadBodies } from './body-parsers.ts';
import { type Call, withCall } from './call.ts';
import { flagOf, invalid, type Query } from './call-options.ts';
import { SharedFrames } from './event-frames.ts';
import { type EventItem, startRevisionOf, streamEvents } from './event-stream.ts';
import type { HttpContext } from './http-context.ts';
import { type Exchange, KvHandler } from './kv-handler.ts';
import { listParameters, sendList } from './kv-list.ts';
import { eventView, headerView, headerViewSchema, kvKeyspace, kvViewSchema } from './kv-view.ts';
import {
  keyParamsSchema,
  querySchema,
  readQuerySchema,
  responses,
  sessionHeadersSchema,
} from './schemas.ts';
import { prefixRange, type TxnBody, txnBodySchema, txnOf, txnView } from './txn-view.ts';

const tags = ['key-value'];
const watchParameters = ['key', 'prefix', 'revision', 'prev', 'min-revision'];

export function kvRoutes(app: FastifyInstance, context: HttpContext): void {
  listRoute(app, context);
  txnRoute(app, context);
  compactRoute(app, context);
  watchRoute(app, context);
}

/**
 * The hot routes, in a scope of their own: the body is not touched by the framework, the answer is
 * written by hand, and no hook runs.
 */
export function keyRoutes(app: FastifyInstance, context: HttpContext): void {
  const handler = new KvHandler(context);
  acceptUnreadBodies(app);
  const url = '/v1/kv/:key';
  app.route({
    method: 'PUT',
    url,
    schema: {
      tags,
      summary: 'Write a key: the body is the value as it is',
      description: 'If-Match: "revision" or *, If-None-Match: * make it conditional (412).',
      params: keyParamsSchema,
      querystring: querySchema(['prev', 'lease']),
      headers: sessionHeadersSchema,
      response: responses(Type.Object({ revision: Type.Integer() })),
    },
    handler: (request, reply) => handler.put(hijack(request, reply)),
  });
  app.route({
    method: ['GET', 'HEAD'],
    url,
    schema: {
      tags,
      summary: 'Read a key: its value as it is, facts in the headers',
      params: keyParamsSchema,
      querystring: readQuerySchema(['revision', 'format']),
    },
    handler: (request, reply) => handler.get(hijack(request, reply)),
  });
  app.route({
    method: 'DELETE',
    url,
    schema: {
      tags,
      summary: 'Delete a key',
      params: keyParamsSchema,
      querystring: querySchema(['prev']),
      headers: sessionHeadersSchema,
      response: responses(Type.Object({ revision: Type.Integer(), deleted: Type.Integer() })),
    },
    handler: (request, reply) => handler.delete(hijack(request, reply)),
  });
  app.route({
    method: ['GET', 'HEAD', 'PUT', 'DELETE'],
    url: '/v1/kv/*',
    schema: { hide: true },
    handler: (request) => refusePath(request),
  });
}

function hijack(request: FastifyRequest, reply: FastifyReply): Exchange {
  reply.hijack();
  const { key } = request.params as Static<typeof keyParamsSchema>;
  return { request: request.raw, response: reply.raw, key };
}

function refusePath(request: FastifyRequest): never {
  const rest = (request.params as { readonly '*': string })['*'];
  if (rest === '') throw invalid('a key has at least one character');
  throw invalid(`a key is one path segment: write ${encodeURIComponent(rest)}`);
}

function listRoute(app: FastifyInstance, context: HttpContext): void {
  const page = Type.Object({
    ...headerViewSchema,
    count: Type.Integer({ description: 'of keys from the beginning of this page on' }),
    items: Type.Array(kvViewSchema),
    next: Type.Union([Type.String(), Type.Null()], { description: 'cursor of the next page' }),
  });
  app.get(
    '/v1/kv',
    {
      schema: {
        tags,
        summary: 'List keys, all pages at one revision',
        querystring: readQuerySchema(listParameters),
        response: responses(page),
      },
    },
    (request, reply) =>
      withCall(context, { request, own: listParameters }, (call) => sendList(context, reply, call)),
  );
}

function txnRoute(app: FastifyInstance, context: HttpContext): void {
  app.post<{ Body: TxnBody }>(
    '/v1/txn',
    {
      schema: {
        tags,
        summary: 'Compare, then do one or the other, as one revision',
        headers: sessionHeadersSchema,
        body: txnBodySchema,
        response: responses(
          Type.Object({
            ...headerViewSchema,
            succeeded: Type.Boolean(),
            responses: Type.Array(Type.Unknown()),
          }),
        ),
      },
    },
    (request) =>
      withCall(context, { request }, async (call) => {
        const answer = await context.slot.engine.txn(txnOf(request.body), call.write);
        return { ...headerView(answer.header), ...txnView(answer.body) };
      }),
  );
}

const compactBodySchema = Type.Object(
  { revision: Type.Integer({ minimum: 1, description: 'history below it is forgotten' }) },
  { additionalProperties: false },
);

function compactRoute(app: FastifyInstance, context: HttpContext): void {
  app.post<{ Body: Static<typeof compactBodySchema> }>(
    '/v1/compact',
    {
      schema: {
        tags,
        summary: 'Forget history below a revision',
        body: compactBodySchema,
        response: responses(Type.Object(headerViewSchema)),
      },
    },
    (request) =>
      withCall(context, { request }, async (call) => {
        const answer = await context.slot.engine.compact(request.body, call.plainWrite);
        return headerView(answer.header);
      }),
  );
}

function watchRoute(app: FastifyInstance, context: HttpContext): void {
  const frames = new SharedFrames((item: EventItem) => [
    { event: 'change', data: changeView(item) },
  ]);
  app.get(
    '/v1/kv-watch',
    {
      schema: {
        tags,
        summary: 'Watch a key or a prefix, as server-sent events',
        description: 'Resumes from Last-Event-ID or ?revision=; 410 where that history is gone.',
        querystring: querySchema(watchParameters),
        produces: ['text/event-stream'],
      },
      exposeHeadRoute: false,
    },
    (request, reply) =>
      withCall(context, { request, own: watchParameters }, (call) =>
        watchKeys(context, { http: { request, reply }, frames }, call),
      ),
  );
}

type WatchExchange = {
  readonly http: { readonly request: FastifyRequest; readonly reply: FastifyReply };
  readonly frames: SharedFrames<EventItem>;
};

async function watchKeys(
  context: HttpContext,
  { http, frames }: WatchExchange,
  call: Call,
): Promise<void> {
  const startRevision = startRevisionOf(http.request, call.query);
  const range = watchRange(call.query);
  const watch: WatchRequest = {
    ...range,
    prevKv: flagOf(call.query, 'prev'),
    progressMs: context.limits.heartbeatMs,
    ...(startRevision === undefined ? {} : { startRevision }),
  };
  const { consistency: _, ...read } = call.read;
  await streamEvents(context, http, {
    startRevision,
    open: (signal) => context.slot.engine.watch(watch, { ...read, signal }),
    frames,
  });
}

function watchRange(query: Query): Pick<WatchRequest, 'keyspace' | 'key' | 'rangeEnd'> {
  const { key, prefix } = query;
  if ((key === undefined) === (prefix === undefined)) throw invalid('name one of key and prefix');
  if (key === undefined) return prefixRange(prefix as string);
  if (key === '') throw invalid('a key has at least one character; prefix= watches all');
  return { keyspace: kvKeyspace, key: utf8(key), rangeEnd: emptyBytes };
}

const changeView = (item: EventItem) => ({
  revision: item.revision,
  events: item.events.map(eventView),
});
