// The routes of `/v1/sessions`: exactly-once writes begin here (safety.md 21).
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { type Static, Type } from 'typebox';

import { withCall } from './call.ts';
import { idOf } from './call-options.ts';
import type { HttpContext } from './http-context.ts';
import { headerView, headerViewSchema } from './kv-view.ts';
import { idParamsSchema, responses } from './schemas.ts';

const tags = ['session'];
const url = '/v1/sessions/:id';

export function sessionRoutes(app: FastifyInstance, context: HttpContext): void {
  registerRoute(app, context);
  keepAliveRoute(app, context);
  closeRoute(app, context);
}

const bodySchema = Type.Object(
  {
    ttlMs: Type.Integer({ minimum: 1, description: 'how long it may be idle' }),
    id: Type.Optional(
      Type.String({ description: 'decimal, of 64 random bits: then the call may be repeated' }),
    ),
  },
  { additionalProperties: false },
);

function registerRoute(app: FastifyInstance, context: HttpContext): void {
  const session = { id: Type.String({ description: 'decimal' }), ttlMs: Type.Integer() };
  app.post<{ Body: Static<typeof bodySchema> }>(
    '/v1/sessions',
    {
      schema: {
        tags,
        summary: 'Register a session, in which a repeated write takes effect once',
        body: bodySchema,
        response: responses(Type.Object({ ...headerViewSchema, ...session })),
      },
    },
    (request) =>
      withCall(context, { request }, async (call) => {
        const { ttlMs, id } = request.body;
        const session = { ttlMs, id: id === undefined ? undefined : idOf(id, 'id') };
        const answer = await context.slot.engine.sessionRegister(session, call.plainWrite);
        const { header, body } = answer;
        return { ...headerView(header), id: body.id.toString(), ttlMs: body.ttlMs };
      }),
  );
}

function keepAliveRoute(app: FastifyInstance, context: HttpContext): void {
  app.post(
    `${url}/keep-alive`,
    {
      schema: {
        tags,
        summary: 'Keep an idle session; every write in it does the same',
        params: idParamsSchema,
        response: responses(Type.Object(headerViewSchema)),
      },
    },
    (request) =>
      withCall(context, { request }, async (call) => {
        const id = idOfPath(request);
        return headerView((await context.slot.engine.sessionKeepAlive(id, call.plainWrite)).header);
      }),
  );
}

function closeRoute(app: FastifyInstance, context: HttpContext): void {
  app.delete(
    url,
    {
      schema: {
        tags,
        summary: 'Close a session: what its writes answered is forgotten',
        params: idParamsSchema,
        response: responses(Type.Object(headerViewSchema)),
      },
    },
    (request) =>
      withCall(context, { request }, async (call) => {
        const id = idOfPath(request);
        return headerView((await context.slot.engine.sessionClose(id, call.plainWrite)).header);
      }),
  );
}

const idOfPath = (request: FastifyRequest): bigint =>
  idOf((request.params as Static<typeof idParamsSchema>).id, 'the id of a session');
