// What a route asks of whoever comes while access control is on. What is about keys, leases,
// sessions, quotas and configurations is the engine's to judge, which knows what is asked for; here
// stands all else. A route that nobody has listed is root's.

/**
 * `engine`: whatever the engine says. `user`: any user, and anybody while the member starts, when
 * nobody knows who is one.
 */
export type Need = 'open' | 'engine' | 'user' | 'root';

type Row = { readonly reads?: Need; readonly changes?: Need };

const engine: Row = { reads: 'engine', changes: 'engine' };

/** By the routes' own paths; what is not said of one is root's. */
const rows: Readonly<Record<string, Row>> = {
  '/': { reads: 'open' },
  '/livez': { reads: 'open' },
  '/readyz': { reads: 'open' },
  '/health': { reads: 'open' },
  '/ping': { reads: 'open' },
  '/version': { reads: 'open' },
  '/metrics': { reads: 'open' },
  '/openapi.json': { reads: 'open' },
  '/v1/cluster': { reads: 'open' },
  '/v1/recovery': { reads: 'open' },
  '/v1/kv': engine,
  '/v1/kv/:key': engine,
  '/v1/kv/*': engine,
  '/v1/kv-watch': engine,
  '/v1/txn': engine,
  '/v1/compact': engine,
  '/v1/leases': engine,
  '/v1/sessions': engine,
  '/v1/quotas': engine,
  '/v1/configs': engine,
  '/v1/watch': engine,
  // Judged as calls of gRPC (method-needs.ts).
  '/v3': engine,
  '/v3beta': engine,
  '/v3alpha': engine,
  '/v1/connections': { reads: 'user' },
  '/v1/breakers': { reads: 'user' },
  '/v1/diagnosis': { reads: 'user' },
  '/v1/settings': { reads: 'user' },
  '/v1/integrity': { reads: 'user' },
  '/v1/scrub': { reads: 'user' },
  '/v1/members': {},
  '/v1/leader': {},
  '/v1/backup': { reads: 'root' },
};

const reading: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS']);

/** `url` is the route's pattern; a row holds for what stands below it, too. */
export function needOf(method: string, url: string): Need {
  const row = rowOf(url);
  return (reading.has(method) ? row?.reads : row?.changes) ?? 'root';
}

/** Whether a row was written for it. */
export const isListed = (url: string): boolean => rowOf(url) !== undefined;

function rowOf(url: string): Row | undefined {
  for (let path = url; path.length > 1; path = path.slice(0, path.lastIndexOf('/'))) {
    const row = rows[path];
    if (row) return row;
  }
  return url === '/' ? rows['/'] : undefined;
}
