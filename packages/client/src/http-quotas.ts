// The quota calls over `/v1/quotas`.
import { HoldfastError } from '@holdfast/base/errors';
import type { CallOptions, ReadOptions } from './config-api.ts';
import { freshness, pathOf, queryText } from './query.ts';
import type { QuotaApi, QuotaView } from './quota-api.ts';
import { jsonBody, jsonOf, limitsOf, type Session, send } from './session.ts';

export class HttpQuotas implements QuotaApi {
  readonly #session: Session;

  constructor(session: Session) {
    this.#session = session;
  }

  async list(options: ReadOptions = {}): Promise<readonly QuotaView[]> {
    const path = `/v1/quotas${queryText(freshness(options))}`;
    const call = { kind: 'read', method: 'GET', path, ...limitsOf(options) } as const;
    return jsonOf<{ readonly quotas: QuotaView[] }>(await send(this.#session, call)).quotas;
  }

  async set(scope: string, bytesMax: number, options: CallOptions = {}): Promise<void> {
    await this.#write({ method: 'PUT', scope, ...jsonBody({ bytesMax }) }, options);
  }

  async remove(scope: string, options: CallOptions = {}): Promise<void> {
    await this.#write({ method: 'DELETE', scope }, options);
  }

  /** Past the session of exactly-once writes: a repeated one does no harm. */
  async #write({ scope, ...rest }: QuotaWrite, options: CallOptions): Promise<void> {
    await this.#session.caller.call({
      kind: 'repeatable',
      ...rest,
      path: `/v1/quotas${scopePath(scope)}`,
      ...limitsOf(options),
    });
  }
}

type QuotaWrite = {
  readonly method: 'PUT' | 'DELETE';
  readonly scope: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array;
};

function scopePath(scope: string): string {
  const [keyspace, namespace] = split(scope);
  if (keyspace === 'kv' && namespace === undefined) return '/kv';
  if (keyspace === 'configs' && namespace !== '') {
    return namespace === undefined ? '/configs' : `/configs${pathOf(namespace)}`;
  }
  throw new HoldfastError(
    'invalid-argument',
    `a quota is of kv, configs, or configs/NAMESPACE, not of ${JSON.stringify(scope)}`,
  );
}

function split(scope: string): readonly [string, string | undefined] {
  const at = scope.indexOf('/');
  return at < 0 ? [scope, undefined] : [scope.slice(0, at), scope.slice(at + 1)];
}
