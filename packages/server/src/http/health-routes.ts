// What probes, monitors and people ask: alive, ready, metrics, members, recovery. Each answers from
// what this member knows, and none ever waits on a peer (house.md 7).
import { HoldfastError } from '@holdfast/base/errors';
import { formatId } from '@holdfast/base/ids';
import type { EngineStatus, PeerStatus } from '@holdfast/engine/engine';
import type { FastifyInstance } from 'fastify';
import { Type } from 'typebox';
import { etcdClusterVersion, etcdVersion } from '../etcd/etcd-version.ts';
import { unhealthyReason } from '../etcd/health.ts';
import type { Metrics } from '../metrics.ts';
import { roundedOrNull } from '../nullable.ts';
import { statusPage } from '../status-page.ts';
import type { HttpContext } from './http-context.ts';
import { recoveryRoutes } from './recovery-routes.ts';
import { memberFields, memberFieldsOf, querySchema, responses } from './schemas.ts';

const tags = ['member'];

export type HealthOptions = {
  readonly metrics: Metrics;
  /** As people reach this member: for the commands on its page. */
  readonly clientAddress: () => string;
};

export function healthRoutes(
  app: FastifyInstance,
  context: HttpContext,
  options: HealthOptions,
): void {
  probeRoutes(app, context);
  etcdRoutes(app, context);
  metricsRoute(app, context, options.metrics);
  clusterRoutes(app, context);
  recoveryRoutes(app, context);
  app.get('/', { schema: { hide: true } }, (_request, reply) => {
    reply.type('text/html; charset=utf-8').header('Content-Security-Policy', pagePolicy);
    const { slot } = context;
    return statusPage({
      status: slot.status(),
      phases: slot.phases(),
      notReadyReason: slot.notReadyReason(),
      clientAddress: options.clientAddress(),
    });
  });
}

/** The page has its style and script within itself, and nothing from anywhere else. */
const pagePolicy = [
  "default-src 'none'",
  "style-src 'unsafe-inline'",
  "script-src 'unsafe-inline'",
  "connect-src 'self'",
  'img-src data:',
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ');

function probeRoutes(app: FastifyInstance, context: HttpContext): void {
  const text = { tags, produces: ['text/plain'] };
  app.get('/livez', { schema: { ...text, summary: 'The process lives' } }, (_, reply) =>
    reply.type('text/plain').send('ok\n'),
  );
  app.get('/ping', { schema: { ...text, summary: 'pong' } }, (_, reply) => {
    const status = context.slot.status();
    // So that a client notices endpoints of two clusters, before it writes to the wrong one.
    if (status) reply.header('X-Holdfast-Cluster', formatId(status.clusterId));
    return reply.type('text/plain').send('pong\n');
  });
  app.get('/readyz', { schema: { ...text, summary: 'This member serves' } }, (_, reply) => {
    const reason = context.slot.notReadyReason();
    if (reason === undefined) return reply.type('text/plain').send(readyText(context));
    throw new HoldfastError('unavailable', reason, {
      details: { phase: context.slot.phaseName(), missingVoters: missingOf(context) },
    });
  });
}

/** What etcd's own tools and probes ask before they speak gRPC. */
function etcdRoutes(app: FastifyInstance, context: HttpContext): void {
  app.get('/version', { schema: { tags, summary: "The version of etcd's API" } }, () => ({
    etcdserver: etcdVersion,
    etcdcluster: etcdClusterVersion,
  }));
  const querystring = querySchema(['serializable', 'exclude']);
  const schema = { tags, summary: "Health in etcd's shape", querystring };
  app.get('/health', { schema }, (request, reply) => {
    const query = new URLSearchParams(request.raw.url?.split('?')[1]);
    const reason = unhealthyReason(context.slot, {
      isLocal: query.get('serializable') === 'true',
      excluded: query.getAll('exclude'),
    });
    if (reason !== undefined) reply.code(503);
    return { health: String(reason === undefined), reason: reason ?? '' };
  });
}

/** A full member still answers reads and takes deletes: nobody is to be sent away from it. */
const readyText = ({ slot }: HttpContext): string =>
  ['ok', ...(slot.status()?.limits ?? [])].join('\n').concat('\n');

const missingOf = ({ slot }: HttpContext): string[] =>
  (slot.status()?.missingVoters ?? []).map((id) => formatId(id));

function metricsRoute(app: FastifyInstance, context: HttpContext, metrics: Metrics): void {
  const schema = { tags, summary: 'Figures for Prometheus', produces: ['text/plain'] };
  app.get('/metrics', { schema }, async (_request, reply) => {
    reply.type(metrics.contentType);
    const { slot, times } = context;
    return metrics.render({ status: slot.status(), phases: slot.phases(), times: times.all() });
  });
}

const memberSchema = Type.Object({
  ...memberFields,
  reachable: Type.Boolean(),
  lag: Type.Union([Type.Integer(), Type.Null()], { description: 'known on the leader: entries' }),
  lastContactMs: Type.Union([Type.Integer(), Type.Null()]),
});

const clusterSchema = Type.Object({
  clusterId: Type.String(),
  memberId: Type.String(),
  name: Type.String(),
  version: Type.String(),
  role: Type.String(),
  term: Type.Integer(),
  leader: Type.Union([Type.String(), Type.Null()]),
  ready: Type.Boolean(),
  notReadyReason: Type.Union([Type.String(), Type.Null()]),
  revision: Type.Integer(),
  compactRevision: Type.Integer(),
  commitIndex: Type.Integer(),
  appliedIndex: Type.Integer(),
  ageMs: Type.Union([Type.Integer(), Type.Null()]),
  keys: Type.Integer(),
  bytes: Type.Integer(),
  stateHash: Type.String(),
  missingVoters: Type.Array(Type.String()),
  members: Type.Array(memberSchema),
});

function clusterRoutes(app: FastifyInstance, context: HttpContext): void {
  app.get(
    '/v1/cluster',
    {
      schema: {
        tags,
        summary: 'The cluster as this member sees it',
        response: responses(clusterSchema),
      },
    },
    () => clusterView(context.slot.status() ?? context.slot.engine.status()),
  );
}

function clusterView(status: EngineStatus) {
  return {
    clusterId: formatId(status.clusterId),
    memberId: formatId(status.memberId),
    storeId: formatId(status.storeId),
    name: status.name,
    version: status.version,
    role: status.role,
    term: status.term,
    leader: status.leader === undefined ? null : formatId(status.leader),
    ready: status.ready,
    notReadyReason: status.notReadyReason ?? null,
    revision: status.revision,
    compactRevision: status.compactRevision,
    commitIndex: status.commitIndex,
    appliedIndex: status.appliedIndex,
    lastIndex: status.lastIndex,
    persistedIndex: status.persistedIndex,
    snapshotIndex: status.snapshotIndex,
    purgedIndex: status.purgedIndex,
    ageMs: roundedOrNull(status.ageMs),
    keys: status.keys,
    bytes: status.bytes,
    stateHash: formatId(BigInt.asUintN(64, status.stateHash)),
    missingVoters: status.missingVoters.map((id) => formatId(id)),
    members: status.peers.map(memberView),
  };
}

const memberView = (peer: PeerStatus) => ({
  ...memberFieldsOf(peer),
  reachable: peer.reachable,
  lag: peer.lag ?? null,
  match: peer.match ?? null,
  lastContactMs: roundedOrNull(peer.lastContactMs),
});
