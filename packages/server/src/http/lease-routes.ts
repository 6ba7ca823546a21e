// The routes of `/v1/leases`: ids are decimal text, times are milliseconds.
import type { LeasedKey, LeaseTime } from '@holdfast/engine/engine';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { type Static, Type } from 'typebox';

import { withCall } from './call.ts';
import { flagOf, idOf, invalid, naturalOf } from './call-options.ts';
import type { HttpContext } from './http-context.ts';
import { headerView, headerViewSchema, keyView, kvKeyspace } from './kv-view.ts';
import {
  idParamsSchema,
  querySchema,
  readQuerySchema,
  responses,
  sessionHeadersSchema,
} from './schemas.ts';

const tags = ['lease'];
const url = '/v1/leases/:id';
const limitMax = 10_000;

const idSchema = Type.String({ description: 'decimal' });
const ttlSchema = Type.Integer({ minimum: 1, description: 'time to live in milliseconds' });
const timeSchema = { ...headerViewSchema, id: idSchema, ttlMs: ttlSchema };
const remainingSchema = { remainingMs: Type.Integer({ description: "by the leader's count" }) };

export function leaseRoutes(app: FastifyInstance, context: HttpContext): void {
  grantRoute(app, context);
  revokeRoute(app, context);
  keepAliveRoute(app, context);
  timeToLiveRoute(app, context);
  listRoute(app, context);
}

const grantBodySchema = Type.Object(
  {
    ttlMs: ttlSchema,
    id: Type.Optional(Type.String({ description: 'decimal; chosen by the cluster if left out' })),
  },
  { additionalProperties: false },
);

function grantRoute(app: FastifyInstance, context: HttpContext): void {
  app.post<{ Body: Static<typeof grantBodySchema> }>(
    '/v1/leases',
    {
      schema: {
        tags,
        summary: 'Grant a lease: keys that hang on it vanish with it',
        headers: sessionHeadersSchema,
        body: grantBodySchema,
        response: responses(Type.Object(timeSchema)),
      },
    },
    (request) =>
      withCall(context, { request }, async (call) => {
        const { ttlMs, id } = request.body;
        const grant = { ttlMs, id: id === undefined ? undefined : idOf(id, 'id') };
        const { header, body } = await context.slot.engine.leaseGrant(grant, call.write);
        return { ...headerView(header), id: body.id.toString(), ttlMs: body.ttlMs };
      }),
  );
}

function revokeRoute(app: FastifyInstance, context: HttpContext): void {
  app.delete(
    url,
    {
      schema: {
        tags,
        summary: 'Revoke a lease: its keys are deleted in one revision',
        params: idParamsSchema,
        headers: sessionHeadersSchema,
        response: responses(Type.Object({ ...headerViewSchema, deleted: Type.Integer() })),
      },
    },
    (request) =>
      withCall(context, { request }, async (call) => {
        const { header, body } = await context.slot.engine.leaseRevoke(
          idOfPath(request),
          call.write,
        );
        return { ...headerView(header), deleted: body.deleted };
      }),
  );
}

function keepAliveRoute(app: FastifyInstance, context: HttpContext): void {
  app.post(
    `${url}/keep-alive`,
    {
      schema: {
        tags,
        summary: 'Give a lease its full time again',
        description:
          'Acknowledged only by a leader that a majority has confirmed since: from then on the ' +
          'lease lives for its full time, whoever leads. May be repeated.',
        params: idParamsSchema,
        response: responses(Type.Object({ ...timeSchema, ...remainingSchema })),
      },
    },
    (request) =>
      withCall(context, { request }, async (call) => {
        const id = idOfPath(request);
        const answer = await context.slot.engine.leaseKeepAlive(id, call.asker);
        return { ...headerView(answer.header), ...timeView(answer.body) };
      }),
  );
}

function timeToLiveRoute(app: FastifyInstance, context: HttpContext): void {
  const keys = Type.Optional(Type.Array(Type.Unknown()));
  app.get(
    url,
    {
      schema: {
        tags,
        summary: 'What is left of a lease, and with ?keys=true what hangs on it',
        params: idParamsSchema,
        querystring: querySchema(['keys']),
        response: responses(Type.Object({ ...timeSchema, ...remainingSchema, keys })),
      },
    },
    (request) =>
      withCall(context, { request, own: ['keys'] }, async (call) => {
        const options = { ...call.asker, keys: flagOf(call.query, 'keys') };
        const id = idOfPath(request);
        const { header, body } = await context.slot.engine.leaseTimeToLive(id, options);
        const named = body.keys === undefined ? {} : { keys: keysView(body.keys) };
        return { ...headerView(header), ...timeView(body), ...named };
      }),
  );
}

function listRoute(app: FastifyInstance, context: HttpContext): void {
  const list = { ids: Type.Array(idSchema), count: Type.Integer({ description: 'of all leases' }) };
  app.get(
    '/v1/leases',
    {
      schema: {
        tags,
        summary: 'The leases that there are, in the order in which they were granted',
        querystring: readQuerySchema(['limit']),
        response: responses(Type.Object({ ...headerViewSchema, ...list })),
      },
    },
    (request) =>
      withCall(context, { request, own: ['limit'] }, async (call) => {
        const limit = naturalOf(call.query, 'limit') ?? 1000;
        if (limit > limitMax) throw invalid(`limit is at most ${limitMax}`);
        const { header, body } = await context.slot.engine.leases({ limit }, call.read);
        return { ...headerView(header), ids: body.ids.map(String), count: body.count };
      }),
  );
}

const idOfPath = (request: FastifyRequest): bigint =>
  idOf((request.params as Static<typeof idParamsSchema>).id, 'the id of a lease');

const timeView = ({ id, ttlMs, remainingMs }: LeaseTime) => ({
  id: id.toString(),
  ttlMs,
  remainingMs,
});

/** Of the keyspace that clients see; what hangs on a lease elsewhere is not theirs to know. */
const keysView = (keys: readonly LeasedKey[]) =>
  keys.filter(({ keyspace }) => keyspace === kvKeyspace).map(({ key }) => keyView(key));
