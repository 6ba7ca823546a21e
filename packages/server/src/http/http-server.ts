// The HTTP door: fastify with the house's errors, limits and routes. It owns no state but the
// timers of calls; it listens nowhere itself (`http-listener.ts` does).
import { createServer, type RequestListener, type Server } from 'node:http';
import { setTimeout } from 'node:timers/promises';

import swagger from '@fastify/swagger';
import { violated } from '@holdfast/base/assert';
import type { Clock } from '@holdfast/base/clock';
import { HoldfastError } from '@holdfast/base/errors';
import { RecentCounts } from '@holdfast/base/recent-counts';
import { AppliedBefore } from '@holdfast/engine/applied-before';
import { clientDialect } from '@holdfast/transport/frame';
import fastify, { type FastifyError, type FastifyInstance, type FastifyReply } from 'fastify';

import { Access } from '../access/access.ts';
import { needOf } from '../access/route-needs.ts';
import type { EngineSlot } from '../engine-slot.ts';
import { type Operator, type OperatorOptions, requireEngine } from '../etcd/etcd-operator.ts';
import { etcdServices } from '../etcd/etcd-services.ts';
import { defaultEtcdSettings, type EtcdSettings } from '../etcd/etcd-settings.ts';
import { etcdStatusOf } from '../etcd/etcd-status.ts';
import { FrameDoor } from '../frames/frame-door.ts';
import { type GatewayOptions, gatewayRoutes } from '../gateway/gateway.ts';
import { GrpcDoor } from '../grpc/grpc-door.ts';
import { withStandardServices } from '../grpc/standard-services.ts';
import { Metrics } from '../metrics.ts';
import { AnswerGate } from './answer-gate.ts';
import { acceptJsonBodies } from './body-parsers.ts';
import { CallDeadlines } from './call-deadlines.ts';
import { identifying, subjectOf } from './caller.ts';
import { createCertifiedServer, type DoorTls, type TurnedAway } from './certified-door.ts';
import { clientErrors } from './client-error.ts';
import { heedSpeakers, http2Magic, type Speaker } from './first-bytes.ts';
import { FreshStreams } from './fresh-streams.ts';
import { healthRoutes } from './health-routes.ts';
import { houseSign } from './house-sign.ts';
import {
  defaultHttpLimits,
  type HttpContext,
  type HttpLimits,
  type RouteGroup,
  requestBytesMax,
} from './http-context.ts';
import { serializerOf, validatorOf } from './json-body.ts';
import { keyRoutes, kvRoutes } from './kv-routes.ts';
import { appliedBeforeView } from './kv-view.ts';
import { leaseRoutes } from './lease-routes.ts';
import { gatePipelines } from './pipeline-gate.ts';
import {
  HttpStatusError,
  type Problem,
  problemHeaders,
  problemOf,
  problemText,
} from './problem.ts';
import { quotaRoutes } from './quota-routes.ts';
import { RequestTimes } from './request-times.ts';
import { RouteTable } from './route-table.ts';
import { sessionRoutes } from './session-routes.ts';

export type HttpAppOptions = {
  readonly slot: EngineSlot;
  readonly clock: Clock;
  readonly version: string;
  readonly limits?: Partial<HttpLimits>;
  /** Default: figures of the engine and the requests, without those of the process. */
  readonly metrics?: Metrics;
  /** `host:port` as people reach this member; asked when a page is shown. */
  readonly clientAddress?: () => string;
  /** Further groups of routes: configurations, and what later parts bring. */
  readonly routes?: readonly RouteGroup[];
  /** What operators may ask by etcd's API; without it they are not served there. */
  readonly operator?: OperatorOptions;
  /** Counts the calls that fail, by code; default: one of its own. */
  readonly failures?: RecentCounts;
  /** Default: one of its own, with tokens that live for a day. */
  readonly access?: Access;
  /** Of etcd's API. */
  readonly etcd?: Partial<EtcdSettings>;
  /** Undefined: it speaks in clear text. */
  readonly tls?: DoorTls | undefined;
  /** Told of clients that are not let in, and why. */
  readonly onTurnedAway?: TurnedAway;
  /** Told of faults that the client only sees as `internal`. */
  readonly onFault?: (error: unknown, where: string) => void;
};

/** What a diagnosis looks back on. */
export const failuresWindowMs = 60_000;

/** How often, at the least, connections are looked at for expired timeouts. */
const connectionsCheckMs = 1000;

/** Builds the app; `app.listen` or `app.inject` come next, `app.close` ends its timers. */
export function buildHttpApp(options: HttpAppOptions): FastifyInstance {
  const context = contextOf(options);
  const { tls, onTurnedAway = () => undefined } = options;
  const metrics = options.metrics ?? new Metrics({ process: false });
  const frames = new FrameDoor(context, onTurnedAway);
  metrics.show(...frames.figures);
  const etcd = etcdMethodsOf(context, options, metrics);
  const grpc = new GrpcDoor({ ...etcd, onTurnedAway });
  const speakers: readonly Speaker[] = [
    { magic: clientDialect.magic, accept: (socket) => frames.accept(socket) },
    { magic: http2Magic, accept: (socket) => grpc.accept(socket) },
  ];
  const table = new RouteTable();
  const app = createApp({ context, table, tls, onTurnedAway, speakers });
  app.addHook('preClose', async () => {
    grpc.leave();
    await drain(context);
    frames.close();
    grpc.close();
  });
  app.addHook('onClose', async () => context.deadlines.close());
  app.addHook('onRoute', (route) => table.add(route.method, route.url));
  acceptJsonBodies(app, context.limits.bodyBytesMax);
  answerErrors(app, context, table);
  describeApi(app, options.version);
  app.register(async (scope) => keyRoutes(scope, context));
  app.register(async (scope) => gatewayRoutes(scope, etcd));
  app.register(async (scope) => {
    signAnswers(scope);
    timeRequests(scope, context);
    judgeRequests(scope, context);
    kvRoutes(scope, context);
    leaseRoutes(scope, context);
    quotaRoutes(scope, context);
    sessionRoutes(scope, context);
    healthRoutes(scope, context, {
      metrics,
      clientAddress: options.clientAddress ?? (() => '127.0.0.1:4653'),
    });
    for (const group of options.routes ?? []) group(scope, context);
  });
  return app;
}

/** Of a message beyond its request. */
const grpcOverheadBytes = 512 * 1024;

/** What gRPC and the JSON gateway serve, and how much of it at a time. */
function etcdMethodsOf(
  context: HttpContext,
  { etcd: settings, operator }: Pick<HttpAppOptions, 'etcd' | 'operator'>,
  metrics: Metrics,
): GatewayOptions {
  const { slot, clock, access, limits } = context;
  const bytesMax = requestBytesMax(limits);
  const methods = withStandardServices({
    clock,
    methods: etcdServices({
      ...{ engine: () => slot.engine, access, requestBytesMax: bytesMax, clock },
      settings: { ...defaultEtcdSettings, ...settings },
      show: (...figures) => metrics.show(...figures),
      operator: operator && operatorOf(context, operator),
    }),
    isReady: () => slot.notReadyReason() === undefined,
    statusOf: etcdStatusOf,
  });
  return { context, methods, messageBytesMax: bytesMax + grpcOverheadBytes };
}

/** While the engine starts or ends, its operators are refused as all others. */
function operatorOf({ slot, clock }: HttpContext, options: OperatorOptions): Operator {
  return { ...options, clock, engine: () => requireEngine(slot.engine && options.engine()) };
}

/** What calls stand on; its `deadlines` are to be closed. */
export function contextOf(options: HttpAppOptions): HttpContext {
  const limits = { ...defaultHttpLimits, ...options.limits };
  const { slot, clock } = options;
  return {
    slot,
    clock,
    access: options.access ?? new Access({ slot, clock }),
    limits,
    answers: new AnswerGate({ clock, ...limits }),
    deadlines: new CallDeadlines(clock, limits.callTimeoutMs),
    times: new RequestTimes(),
    failures: options.failures ?? new RecentCounts(clock, failuresWindowMs),
    streams: new Set(),
    freshStreams: new FreshStreams({
      clock,
      ageMs: () => slot.status()?.ageMs,
    }),
    onFault: options.onFault ?? (() => undefined),
  };
}

/** How long a closing door waits for the calls that are under way. */
const drainMs = 2000;

/** Streams are told to go elsewhere; calls get their answers, if they come soon. */
async function drain({ streams, deadlines }: HttpContext): Promise<void> {
  const reason = new HoldfastError('shutting-down', 'this member is stopping: ask another one');
  for (const end of [...streams]) end(reason);
  const endMs = performance.now() + drainMs;
  while (deadlines.underWay > 0 && performance.now() < endMs) await setTimeout(10);
}

function createApp(parts: ServerParts): FastifyInstance {
  const { context, onTurnedAway } = parts;
  const app = fastify({
    // Else it loads two compilers of its own, for which a member that starts would wait.
    schemaController: {
      compilersFactory: { buildValidator: noOtherCompiler, buildSerializer: noOtherCompiler },
    },
    bodyLimit: context.limits.bodyBytesMax,
    forceCloseConnections: true,
    return503OnClosing: false,
    routerOptions: { maxParamLength: 16 * 1024 },
    serverFactory: (listener) => createHttpServer(listener, parts),
    clientErrorHandler: clientErrors(onTurnedAway),
    frameworkErrors: (error, _request, reply) => sendProblem(reply, frameworkError(error)),
  });
  app.setValidatorCompiler(validatorOf);
  app.setSerializerCompiler(serializerOf);
  return app;
}

const noOtherCompiler = (): never =>
  violated('bodies are checked and written by the compilers of json-body.ts');

type ServerParts = {
  readonly context: HttpContext;
  readonly table: RouteTable;
  readonly tls: DoorTls | undefined;
  readonly onTurnedAway: TurnedAway;
  readonly speakers: readonly Speaker[];
};

function createHttpServer(listener: RequestListener, parts: ServerParts): Server {
  const { context, table, tls, onTurnedAway, speakers } = parts;
  const { limits } = context;
  const http = {
    keepAliveTimeout: limits.keepAliveMs,
    requestTimeout: limits.requestTimeoutMs,
    headersTimeout: limits.headersTimeoutMs,
    connectionsCheckingInterval: Math.min(connectionsCheckMs, limits.headersTimeoutMs),
    noDelay: true,
  };
  const gated = gatePipelines(identifying(listener, { context, table }));
  const handshakeMs = limits.headersTimeoutMs;
  const server: Server = tls
    ? createCertifiedServer({ tls, http, handshakeMs, onTurnedAway, speakers }, gated)
    : createServer(http, gated);
  if (!tls) heedSpeakers(server, { event: 'connection', speakers });
  server.setTimeout(limits.stalledMs);
  server.maxConnections = limits.connectionsMax;
  return server;
}

function answerErrors(app: FastifyInstance, context: HttpContext, table: RouteTable): void {
  app.setErrorHandler((error, request, reply) => {
    if (error instanceof AppliedBefore) {
      reply.send(appliedBeforeView(error));
      return;
    }
    const known = isFastifyError(error) ? frameworkError(error) : error;
    const problem = sendProblem(reply, known);
    // A probe that is told "not ready" is no client whose call has failed.
    if (request.url.startsWith('/v1/')) context.failures.add(problem.code);
    if (problem.code === 'internal') context.onFault(error, request.routeOptions.url ?? '');
  });
  app.setNotFoundHandler((request, reply) => {
    const path = request.raw.url?.split('?')[0] ?? '';
    sendProblem(reply, notRouted(request.method, path, table.methodsOf(path)));
  });
}

function sendProblem(reply: FastifyReply, thrown: unknown): Problem {
  const problem = problemOf(thrown);
  reply.code(problem.status).headers(problemHeaders(thrown, problem)).serializer(asText);
  reply.send(problemText(problem));
  return problem;
}

const asText = (text: unknown): string => String(text);

const isFastifyError = (error: unknown): error is FastifyError =>
  error instanceof Error && 'code' in error && String(error.code).startsWith('FST_');

/** The framework's own refusals in the house's words; one that it calls a fault stays a fault. */
function frameworkError(error: FastifyError): unknown {
  const status = error.statusCode ?? 500;
  if (status === 413) return new HoldfastError('too-large', error.message);
  if (status === 415) return new HoldfastError('unsupported-media-type', error.message);
  return status < 500 ? new HoldfastError('invalid-argument', error.message) : error;
}

function notRouted(method: string, path: string, allowed: readonly string[]): HttpStatusError {
  if (allowed.length === 0) {
    const message = `nothing is at ${path}; /openapi.json lists what is there`;
    return new HttpStatusError(404, new HoldfastError('not-found', message));
  }
  const allow = allowed.join(', ');
  const error = new HoldfastError('unimplemented', `${path} does not know ${method}, but ${allow}`);
  return new HttpStatusError(405, error, { Allow: allow });
}

/** The hot routes sign their answers themselves, by the revision that each of them tells. */
function signAnswers(app: FastifyInstance): void {
  app.addHook('onRequest', (_request, reply, done) => {
    reply.header(houseSign.name, houseSign.value);
    done();
  });
}

/** The hot routes tell their times themselves: a hook costs them listeners on each response. */
function timeRequests(app: FastifyInstance, context: HttpContext): void {
  app.addHook('onResponse', async (request, reply) => {
    const route = request.routeOptions.url ?? 'none';
    const answer = { status: reply.statusCode, durationMs: reply.elapsedTime };
    context.times.observe(route, request.method, answer);
  });
}

/** What an engine is not asked for is judged before the route begins (route-needs.ts). */
function judgeRequests(app: FastifyInstance, { access, slot }: HttpContext): void {
  app.addHook('onRequest', async (request) => {
    const need = needOf(request.method, request.routeOptions.url ?? '');
    if (need === 'root') await access.requireRoot(subjectOf(request.raw));
    else if (need === 'user' && slot.state === 'serving') {
      await access.requireUser(subjectOf(request.raw));
    }
  });
}

function describeApi(app: FastifyInstance, version: string): void {
  app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'Holdfast',
        version,
        description: 'Configuration, keys and members of a Holdfast cluster.',
        license: { name: 'Apache-2.0' },
      },
    },
  });
  app.register(async (scope) => {
    signAnswers(scope);
    scope.get('/openapi.json', { schema: { hide: true } }, () => app.swagger());
  });
}
