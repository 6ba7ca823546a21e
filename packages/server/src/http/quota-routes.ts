// `/v1/quotas`: how many bytes live in the keys, in the configurations and in each of their
// namespaces, and how many may (safety.md 9). Quotas are part of the cluster's state: set at any
// member, they hold on all.
import { configFilter } from '@holdfast/domain/config-key';
import type { QuotaUse } from '@holdfast/engine/engine';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { type Static, Type } from 'typebox';

import { withCall } from './call.ts';
import type { HttpContext } from './http-context.ts';
import { headerView, headerViewSchema, kvKeyspace } from './kv-view.ts';
import { readQuerySchema, responses } from './schemas.ts';

const tags = ['quota'];
const configsKeyspace = 2;

const bytesMaxSchema = Type.Integer({ minimum: 1, maximum: Number.MAX_SAFE_INTEGER });
const bodySchema = Type.Object({ bytesMax: bytesMaxSchema }, { additionalProperties: false });
const setSchema = Type.Object({
  ...headerViewSchema,
  scope: Type.String(),
  bytesMax: Type.Union([bytesMaxSchema, Type.Null()]),
});

const listSchema = Type.Object({
  ...headerViewSchema,
  quotas: Type.Array(
    Type.Object({
      scope: Type.String({ description: 'kv, configs, or configs/NAMESPACE' }),
      bytes: Type.Integer({ description: 'of what lives there' }),
      bytesMax: Type.Union([bytesMaxSchema, Type.Null()], { description: 'null: no quota' }),
    }),
  ),
});

type Scope = { readonly keyspace: number; readonly namespace: string };
type Named = { readonly Params: { readonly namespace?: string } };

export function quotaRoutes(app: FastifyInstance, context: HttpContext): void {
  listRoute(app, context);
  for (const [url, keyspace] of paths) scopeRoutes(app, context, { url, keyspace });
}

const paths = [
  ['/v1/quotas/kv', kvKeyspace],
  ['/v1/quotas/configs', configsKeyspace],
  ['/v1/quotas/configs/:namespace', configsKeyspace],
] as const;

function listRoute(app: FastifyInstance, context: HttpContext): void {
  app.get(
    '/v1/quotas',
    {
      schema: {
        tags,
        summary: 'What lives in each keyspace and namespace, and how much may',
        querystring: readQuerySchema(),
        response: responses(listSchema),
      },
    },
    (request) =>
      withCall(context, { request }, async (call) => {
        const { header, body } = await context.slot.engine.quotas(call.read);
        return { ...headerView(header), quotas: body.filter(isOfUsers).map(quotaView) };
      }),
  );
}

function scopeRoutes(
  app: FastifyInstance,
  context: HttpContext,
  { url, keyspace }: { readonly url: string; readonly keyspace: number },
): void {
  const params = url.includes(':') ? { params: Type.Object({ namespace: Type.String() }) } : {};
  const set = (request: FastifyRequest<Named>, bytesMax: number) =>
    withCall(context, { request }, async (call) => {
      // Where the path names a namespace, an empty one must not stand for all of them.
      const { namespace = '' } = configFilter(request.params);
      const scope = { keyspace, namespace };
      const { header } = await context.slot.engine.setQuota(
        { ...scope, bytesMax },
        call.plainWrite,
      );
      return { ...headerView(header), scope: nameOf(scope), bytesMax: bytesMax || null };
    });
  app.put<Named & { Body: Static<typeof bodySchema> }>(
    url,
    {
      schema: {
        tags,
        summary: 'Set a quota: writes that would grow it beyond are refused',
        description: 'Deletes and compaction always go. May be repeated.',
        ...params,
        body: bodySchema,
        response: responses(setSchema),
      },
    },
    (request) => set(request, request.body.bytesMax),
  );
  app.delete<Named>(
    url,
    { schema: { tags, summary: 'Lift a quota', ...params, response: responses(setSchema) } },
    (request) => set(request, 0),
  );
}

/** What the cluster keeps for itself has no quota. */
const isOfUsers = ({ keyspace }: QuotaUse): boolean => paths.some(([, one]) => one === keyspace);

const quotaView = ({ bytes, bytesMax, ...scope }: QuotaUse) => ({
  scope: nameOf(scope),
  bytes,
  bytesMax: bytesMax || null,
});

function nameOf({ keyspace, namespace }: Scope): string {
  if (keyspace !== configsKeyspace) return 'kv';
  return namespace === '' ? 'configs' : `configs/${namespace}`;
}
