// Every endpoint, with a call of it that a healthy cluster answers, and how long it may take in any
// fault. `{n}` is another number each time.
import type { Call } from '../../../tools/dark/protocol.ts';
import type { DarkMember } from '../dark-member.ts';

export type BoundName = 'look' | 'stale' | 'read' | 'write' | 'steer';

export type HttpCall = {
  /** Method and path, as the description of the interface has them. */
  readonly name: string;
  readonly bound: BoundName;
  /** It changes what all the others stand on: made now and then, not every second. */
  readonly isRare?: true;
  readonly call: Omit<Call, 'url' | 'deadlineMs' | 'method'> & { readonly path?: string };
};

const json = (value: unknown, path?: string): HttpCall['call'] => ({
  ...(path === undefined ? {} : { path }),
  headers: { 'content-type': 'application/json' },
  body: JSON.stringify(value),
});
const bytes = (path: string): HttpCall['call'] => ({
  path,
  headers: { 'content-type': 'application/octet-stream' },
  body: 'value-{n}',
});
const at = (path: string): HttpCall['call'] => ({ path });
const nothing: HttpCall['call'] = {};

const [key, config, lease] = ['/v1/kv/http-{n}', '/v1/configs/dark/matrix/http', '/v1/leases/99'];

export const httpCalls: readonly HttpCall[] = [
  ...[
    ...['/', '/openapi.json', '/livez', '/ping', '/readyz', '/health', '/version', '/metrics'],
    ...['/v1/cluster', '/v1/members', '/v1/diagnosis', '/v1/recovery'],
    ...['/v1/connections', '/v1/breakers', '/v1/settings', '/v1/integrity', '/v1/scrub'],
  ].map((path): HttpCall => ({ name: `GET ${path}`, bound: 'look', call: nothing })),
  { name: 'PUT /v1/kv/{key}', bound: 'write', call: bytes(key) },
  { name: 'GET /v1/kv/{key}', bound: 'read', call: at('/v1/kv/http') },
  {
    name: 'GET /v1/kv/{key}?consistency=stale',
    bound: 'stale',
    call: at('/v1/kv/http?consistency=stale'),
  },
  { name: 'HEAD /v1/kv/{key}', bound: 'read', call: at('/v1/kv/http') },
  { name: 'DELETE /v1/kv/{key}', bound: 'write', call: at(key) },
  { name: 'GET /v1/kv', bound: 'read', call: at('/v1/kv?prefix=http&limit=10') },
  {
    name: 'POST /v1/txn',
    bound: 'write',
    call: json({ success: [{ put: { key: 'http', value: '{n}' } }] }),
  },
  // For all of etcd's gateway, whose calls are those of gRPC.
  {
    name: 'POST /v3/kv/put',
    bound: 'write',
    call: json({ key: 'aHR0cA==', value: 'dmFsdWU=' }),
  },
  { name: 'POST /v3/kv/range', bound: 'read', call: json({ key: 'aHR0cA==' }) },
  { name: 'POST /v1/compact', bound: 'write', call: json({ revision: 1 }) },
  // Done already, so that the members stay as they are; it asks the leader all the same.
  { name: 'POST /v1/members/changes', bound: 'write', call: json({ promote: ['n1'] }) },
  ...[
    ['POST /v1/members', '/v1/members'],
    ['DELETE /v1/members/{member}', '/v1/members/nobody'],
    ['POST /v1/members/{member}/promote', '/v1/members/nobody/promote'],
    ['POST /v1/members/{member}/demote', '/v1/members/nobody/demote'],
    ['POST /v1/leader/transfer', '/v1/leader/transfer'],
  ].map(
    ([name = '', path]): HttpCall => ({ name, bound: 'look', call: json({ to: 'nobody' }, path) }),
  ),
  { name: 'GET /v1/backup', bound: 'read', call: { onlyHead: true } },
  { name: 'GET /v1/kv-watch', bound: 'look', call: { path: '/v1/kv-watch?key=a', onlyHead: true } },
  { name: 'POST /v1/leases', bound: 'write', call: json({ ttlMs: 10_000 }) },
  { name: 'GET /v1/leases', bound: 'read', call: at('/v1/leases?limit=10') },
  { name: 'GET /v1/leases/{id}', bound: 'read', call: at(lease) },
  { name: 'DELETE /v1/leases/{id}', bound: 'write', call: at('/v1/leases/{n}') },
  { name: 'POST /v1/leases/{id}/keep-alive', bound: 'read', call: at(`${lease}/keep-alive`) },
  { name: 'GET /v1/quotas', bound: 'read', call: nothing },
  ...['kv', 'configs', 'configs/{namespace}'].flatMap((scope): HttpCall[] => {
    const [name, path] = [
      `/v1/quotas/${scope}`,
      `/v1/quotas/${scope.replace('{namespace}', 'none')}`,
    ];
    return [
      { name: `PUT ${name}`, bound: 'write', call: json({ bytesMax: 1e12 }, path) },
      { name: `DELETE ${name}`, bound: 'write', call: at(path) },
    ];
  }),
  { name: 'POST /v1/sessions', bound: 'write', call: json({ ttlMs: 10_000 }) },
  {
    name: 'POST /v1/sessions/{id}/keep-alive',
    bound: 'write',
    call: at('/v1/sessions/{n}/keep-alive'),
  },
  { name: 'DELETE /v1/sessions/{id}', bound: 'write', call: at('/v1/sessions/{n}') },
  {
    name: 'PUT /v1/configs/{namespace}/{group}/{name}',
    bound: 'write',
    call: bytes('/v1/configs/dark/matrix/http-{n}'),
  },
  { name: 'GET /v1/configs/{namespace}/{group}/{name}', bound: 'read', call: at(config) },
  { name: 'HEAD /v1/configs/{namespace}/{group}/{name}', bound: 'read', call: at(config) },
  {
    name: 'DELETE /v1/configs/{namespace}/{group}/{name}',
    bound: 'write',
    call: at('/v1/configs/dark/matrix/http-{n}'),
  },
  {
    name: 'GET /v1/configs/{namespace}/{group}/{name}/history',
    bound: 'read',
    call: at(`${config}/history`),
  },
  {
    name: 'POST /v1/configs/{namespace}/{group}/{name}/rollback',
    bound: 'write',
    call: json({ version: 1 }, `${config}/rollback`),
  },
  { name: 'GET /v1/configs', bound: 'read', call: at('/v1/configs') },
  { name: 'GET /v1/configs/{namespace}', bound: 'read', call: at('/v1/configs/dark') },
  {
    name: 'GET /v1/configs/{namespace}/{group}',
    bound: 'read',
    call: at('/v1/configs/dark/matrix'),
  },
  {
    name: 'GET /v1/watch',
    bound: 'look',
    call: { path: '/v1/watch?namespace=dark&group=matrix', onlyHead: true },
  },
  { name: 'DELETE /v1/connections/{peer}', bound: 'steer', call: at('/v1/connections/nobody') },
  { name: 'DELETE /v1/connections', bound: 'steer', isRare: true, call: nothing },
  { name: 'POST /v1/breakers/{peer}/reset', bound: 'steer', call: at('/v1/breakers/nobody/reset') },
  { name: 'POST /v1/breakers/reset', bound: 'steer', isRare: true, call: nothing },
  { name: 'POST /v1/integrity/check', bound: 'write', isRare: true, call: nothing },
  // It is in no quarantine, and refused at once.
  { name: 'POST /v1/integrity/overwrite', bound: 'look', call: nothing },
  { name: 'POST /v1/scrub', bound: 'steer', isRare: true, call: nothing },
  { name: 'PATCH /v1/settings', bound: 'steer', call: json({ 'log-level': null }) },
];

export function callTo(member: DarkMember, { name, call }: HttpCall, deadlineMs: number): Call {
  const [method = '', template = ''] = name.split(' ');
  const { path = template, ...rest } = call;
  return { ...rest, method, url: `${member.url}${path}`, deadlineMs };
}
