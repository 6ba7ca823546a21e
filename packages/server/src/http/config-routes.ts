// The routes of configurations: `/v1/configs/...` and `/v1/watch`. They translate between HTTP and
// the ConfigService; what a configuration is, they do not know.
import { parseFormat } from '@holdfast/domain/format';
import { ConfigService } from '@holdfast/engine/config-service';
import type { ConfigWatchItem } from '@holdfast/engine/config-watch';
import type { Engine } from '@holdfast/engine/engine';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { Type } from 'typebox';

import type { ContentChecker } from '../content-checker.ts';
import { acceptRawBodies } from './body-parsers.ts';
import { type Call, withCall } from './call.ts';
import { flagOf, invalid, naturalOf } from './call-options.ts';
import { commentOf, conditionOf, filterOf, isKnown, keyOf } from './config-call.ts';
import {
  changeHeaders,
  configEventView,
  configParamsSchema,
  configView,
  configViewSchema,
  contentHeaders,
  etagOf,
  mediaType,
  versionView,
  versionViewSchema,
} from './config-view.ts';
import { SharedFrames } from './event-frames.ts';
import { startRevisionOf, streamEvents } from './event-stream.ts';
import type { HttpContext, RouteGroup } from './http-context.ts';
import { headerView, headerViewSchema } from './kv-view.ts';
import { querySchema, readQuerySchema, responses, sessionHeadersSchema } from './schemas.ts';

const tags = ['configuration'];
const url = '/v1/configs/:namespace/:group/:name';
const getParameters = ['version', 'metadata'];
const putParameters = ['format', 'comment', 'if-revision', 'force'];
const changeParameters = ['comment', 'if-revision'];
const pageParameters = ['limit', 'cursor'];
const listParameters = ['namespace', 'group', 'name', 'prefix', ...pageParameters];
const watchParameters = ['namespace', 'group', 'name', 'prefix', 'revision', 'content'];

const changeSchema = Type.Object({
  ...headerViewSchema,
  ...configViewSchema.properties,
  changed: Type.Boolean({ description: 'false: it was so already, nothing was written' }),
});

const next = Type.Union([Type.String(), Type.Null()], { description: 'cursor of the next page' });

export type ConfigRouteOptions = {
  /** Versions kept of each configuration; default 100. */
  readonly historyMax?: number;
  /** Checks contents; ended with the door. Default: in this thread. */
  readonly contents?: ContentChecker;
};

/** Made once for a door; joins it as one of `routes`. */
export function configRoutes(options: ConfigRouteOptions = {}): RouteGroup {
  return (app, context) => registerConfigRoutes(app, context, options);
}

export function registerConfigRoutes(
  app: FastifyInstance,
  context: HttpContext,
  options: ConfigRouteOptions = {},
): void {
  const { contents } = options;
  if (contents) app.addHook('onClose', () => contents.close());
  const routes = new ConfigRoutes(context, options);
  app.register(async (scope) => routes.contents(scope));
  routes.lists(app);
  routes.history(app);
  routes.rollback(app);
  routes.watch(app);
}

type ChangesItem = Extract<ConfigWatchItem, { readonly type: 'events' }>;

class ConfigRoutes {
  readonly #context: HttpContext;
  readonly #services: ServiceCache;
  readonly #frames = new SharedFrames((item: ChangesItem) =>
    item.events.map((event) => ({ event: event.type, data: configEventView(event) })),
  );

  constructor(context: HttpContext, options: ConfigRouteOptions) {
    this.#context = context;
    this.#services = new ServiceCache(context, options);
  }

  /** The content itself: in a scope of its own, because its bodies are bytes and not JSON. */
  contents(scope: FastifyInstance): void {
    acceptRawBodies(scope, this.#context.limits.bodyBytesMax);
    scope.addHook('onRequest', async (request) => forgetMalformedType(request));
    this.#publishRoute(scope);
    this.#readRoute(scope);
    this.#deleteRoute(scope);
    scope.route({
      method: ['GET', 'HEAD', 'PUT', 'DELETE', 'POST'],
      url: '/v1/configs/:namespace/:group/*',
      schema: { hide: true },
      handler: (request) => refusePath(request),
    });
  }

  lists(app: FastifyInstance): void {
    const page = Type.Object({ ...headerViewSchema, items: Type.Array(configViewSchema), next });
    for (const path of ['', '/:namespace', '/:namespace/:group']) {
      app.get(
        `/v1/configs${path}`,
        {
          schema: {
            tags,
            summary: 'List configurations, all pages at one revision',
            description: 'A page may be short, even empty, while `next` says that there is more.',
            querystring: readQuerySchema(listParameters),
            response: responses(page),
          },
        },
        (request) => this.#call(request, listParameters, (call) => this.#list(request, call)),
      );
    }
  }

  history(app: FastifyInstance): void {
    const page = Type.Object({
      ...headerViewSchema,
      versions: Type.Array(versionViewSchema),
      next,
    });
    app.get(
      `${url}/history`,
      {
        schema: {
          tags,
          summary: 'The versions that are kept, newest first: who, when, why',
          params: configParamsSchema,
          querystring: readQuerySchema(pageParameters),
          response: responses(page),
        },
      },
      (request) => this.#call(request, pageParameters, (call) => this.#history(request, call)),
    );
  }

  rollback(app: FastifyInstance): void {
    const body = Type.Object(
      { version: Type.Integer({ minimum: 1 }), comment: Type.Optional(Type.String()) },
      { additionalProperties: false },
    );
    app.post<{ Body: { version: number; comment?: string } }>(
      `${url}/rollback`,
      {
        schema: {
          tags,
          summary: 'Publish the content of an older version again',
          description: 'Also brings a deleted configuration back.',
          params: configParamsSchema,
          querystring: querySchema(changeParameters),
          headers: sessionHeadersSchema,
          body,
          response: responses(changeSchema),
        },
      },
      (request, reply) =>
        this.#call(request, changeParameters, (call) => this.#rollback({ request, reply }, call)),
    );
  }

  watch(app: FastifyInstance): void {
    app.get(
      '/v1/watch',
      {
        schema: {
          tags,
          summary: 'Watch configurations, as server-sent events',
          description:
            'Events publish, delete and progress. Resumes from Last-Event-ID or ?revision=; 410 ' +
            'where that history is gone, an event gap where it goes meanwhile.',
          querystring: querySchema([...watchParameters, 'min-revision']),
          produces: ['text/event-stream'],
        },
        exposeHeadRoute: false,
      },
      (request, reply) =>
        this.#call(request, watchParameters, (call) => this.#watch({ request, reply }, call)),
    );
  }

  #publishRoute(scope: FastifyInstance): void {
    scope.route({
      method: 'PUT',
      url,
      schema: {
        tags,
        summary: 'Publish a configuration: the body is the content as it is',
        description:
          'If-Match: "version" or *, If-None-Match: *, ?if-revision= make it conditional (412). ' +
          'A content that does not parse is refused with line and column (400).',
        params: configParamsSchema,
        querystring: querySchema(putParameters),
        headers: sessionHeadersSchema,
        response: responses(changeSchema),
      },
      handler: (request, reply) =>
        this.#call(request, putParameters, (call) => this.#publish({ request, reply }, call)),
    });
  }

  #readRoute(scope: FastifyInstance): void {
    scope.route({
      method: ['GET', 'HEAD'],
      url,
      schema: {
        tags,
        summary: 'Read a configuration: its content as it is, facts in the headers',
        params: configParamsSchema,
        querystring: readQuerySchema(getParameters),
      },
      handler: (request, reply) =>
        this.#call(request, getParameters, (call) => this.#read({ request, reply }, call)),
    });
  }

  #deleteRoute(scope: FastifyInstance): void {
    const deleted = Type.Object({ ...headerViewSchema, ...versionViewSchema.properties });
    scope.route({
      method: 'DELETE',
      url,
      schema: {
        tags,
        summary: 'Delete a configuration; its history stays',
        params: configParamsSchema,
        querystring: querySchema(changeParameters),
        headers: sessionHeadersSchema,
        response: responses(deleted),
      },
      handler: (request, reply) =>
        this.#call(request, changeParameters, (call) => this.#delete({ request, reply }, call)),
    });
  }

  async #publish({ request, reply }: Exchange, call: Call) {
    const format = call.query.format;
    const { header, body } = await this.#services.current.publish(
      {
        key: keyOf(request),
        content: Buffer.isBuffer(request.body) ? request.body : Buffer.alloc(0),
        format: format === undefined ? undefined : parseFormat(format),
        mediaType: request.headers['content-type'],
        comment: commentOf(request, call.query),
        condition: conditionOf(request, call.query),
        force: flagOf(call.query, 'force'),
      },
      call.write,
    );
    reply.headers(changeHeaders(body.item, header));
    return { ...headerView(header), ...configView(body.item), changed: body.changed };
  }

  async #rollback({ request, reply }: Exchange, call: Call) {
    const { version, comment } = request.body as { version: number; comment?: string };
    const { header, body } = await this.#services.current.rollback(
      {
        key: keyOf(request),
        version,
        comment: comment ?? commentOf(request, call.query),
        condition: conditionOf(request, call.query),
      },
      call.write,
    );
    reply.headers(changeHeaders(body.item, header));
    return { ...headerView(header), ...configView(body.item), changed: body.changed };
  }

  async #delete({ request, reply }: Exchange, call: Call) {
    const change = {
      key: keyOf(request),
      comment: commentOf(request, call.query),
      condition: conditionOf(request, call.query),
    };
    const { header, body } = await this.#services.current.delete(change, call.write);
    reply.headers(changeHeaders(body, header));
    return { ...headerView(header), ...versionView(body) };
  }

  async #read({ request, reply }: Exchange, call: Call) {
    const key = keyOf(request);
    const version = naturalOf(call.query, 'version');
    const service = this.#services.current;
    const { header, body } = await (version === undefined
      ? service.get(key, call.read)
      : service.getVersion(key, version, call.read));
    const { item, content } = body;
    reply.headers(contentHeaders(item, header));
    if (isKnown(request, etagOf(item))) return await reply.code(304).send();
    if (flagOf(call.query, 'metadata')) return { ...headerView(header), ...configView(item) };
    reply.header('Content-Type', mediaType(item, content));
    return await reply.send(bufferOf(content));
  }

  async #list(request: FastifyRequest, call: Call) {
    const filter = filterOf(request.params as { namespace?: string; group?: string }, call.query);
    const page = { limit: naturalOf(call.query, 'limit'), cursor: call.query.cursor };
    const { header, body } = await this.#services.current.list(filter, page, call.read);
    const items = body.items.map((item) => configView(item));
    return { ...headerView(header), items, next: body.cursor ?? null };
  }

  async #history(request: FastifyRequest, call: Call) {
    const before = naturalOf(call.query, 'cursor');
    const page = { limit: naturalOf(call.query, 'limit'), before };
    const { header, body } = await this.#services.current.history(keyOf(request), page, call.read);
    const versions = body.versions.map((placed) => versionView(placed));
    return { ...headerView(header), versions, next: body.before?.toString() ?? null };
  }

  async #watch(http: Exchange, call: Call): Promise<void> {
    const startRevision = startRevisionOf(http.request, call.query);
    const watch = {
      filter: filterOf({}, call.query),
      content: flagOf(call.query, 'content'),
      progressMs: this.#context.limits.heartbeatMs,
      startRevision,
    };
    const { consistency: _, ...read } = call.read;
    const service = this.#services.current;
    await streamEvents(this.#context, http, {
      startRevision,
      open: (signal) => service.watch(watch, { ...read, signal }),
      frames: this.#frames,
    });
  }

  #call<T>(
    request: FastifyRequest,
    own: readonly string[],
    run: (call: Call) => Promise<T>,
  ): Promise<T> {
    return withCall(this.#context, { request, own }, run);
  }
}

type Exchange = { readonly request: FastifyRequest; readonly reply: FastifyReply };

/** The service over the slot's engine, which stands only some time after the door. */
class ServiceCache {
  readonly #context: HttpContext;
  readonly #options: ConfigRouteOptions;
  #made: { readonly engine: Engine; readonly service: ConfigService } | undefined;

  constructor(context: HttpContext, options: ConfigRouteOptions) {
    this.#context = context;
    this.#options = options;
  }

  /** Throws `unavailable` while the member starts. */
  get current(): ConfigService {
    const { engine } = this.#context.slot;
    if (this.#made?.engine !== engine) this.#made = { engine, service: this.#make(engine) };
    return this.#made.service;
  }

  #make(engine: Engine): ConfigService {
    const { clock, limits } = this.#context;
    const contentBytesMax = limits.bodyBytesMax;
    const { historyMax, contents } = this.#options;
    const checkContent = contents?.check;
    const limited = historyMax === undefined ? {} : { historyMax };
    return new ConfigService({ engine, clock, contentBytesMax, checkContent, ...limited });
  }
}

/** A content is taken whatever it is called; the framework would refuse what is no media type. */
function forgetMalformedType(request: FastifyRequest): void {
  const type = request.headers['content-type'];
  if (type !== undefined && !/^[\w.+-]+\/[\w.+*-]+\s*(?:;|$)/.test(type)) {
    delete request.headers['content-type'];
  }
}

function refusePath(request: FastifyRequest): never {
  const rest = (request.params as { readonly '*': string })['*'];
  if (rest === '') throw invalid('a configuration has a name: /v1/configs/NAMESPACE/GROUP/NAME');
  throw invalid(`a configuration's name is one path segment: write ${encodeURIComponent(rest)}`);
}

const bufferOf = (bytes: Uint8Array): Buffer =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
