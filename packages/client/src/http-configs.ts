// The configuration calls over `/v1/configs` and `/v1/watch`.

import type { Call } from './caller.ts';
import type {
  CallOptions,
  ConfigApi,
  ConfigChange,
  ConfigContent,
  ConfigId,
  ConfigPage,
  ConfigSummary,
  ConfigVersion,
  ConfigWatchOptions,
  ListOptions,
  PublishOptions,
  PublishResult,
  ReadOptions,
} from './config-api.ts';
import { freshness, pathOf, queryText } from './query.ts';
import { resumingWatch } from './resuming-watch.ts';
import {
  jsonOf,
  limitsOf,
  numberHeader,
  preconditionHeaders,
  type Session,
  send,
  sendForMaybe,
} from './session.ts';

const pageLimit = 1_000;

export class HttpConfigs implements ConfigApi {
  readonly #session: Session;

  constructor(session: Session) {
    this.#session = session;
  }

  async publish(
    id: ConfigId,
    content: Uint8Array,
    options: PublishOptions = {},
  ): Promise<PublishResult> {
    const { format, comment, ifVersion, mayRepeat } = options;
    const call: Call = {
      kind: ifVersion !== undefined || mayRepeat ? 'repeatable' : 'once',
      method: 'PUT',
      path: `${configPath(id)}${queryText({ format, comment })}`,
      headers: { 'content-type': 'application/octet-stream', ...preconditionHeaders(ifVersion) },
      body: content,
      ...limitsOf(options),
    };
    const reply = await send(this.#session, call);
    return jsonOf(reply);
  }

  async get(
    id: ConfigId,
    options: ReadOptions & { readonly version?: number | undefined } = {},
  ): Promise<ConfigContent | undefined> {
    const query = queryText({ ...freshness(options), version: options.version });
    const path = `${configPath(id)}${query}`;
    const reply = await sendForMaybe(this.#session, readCall(path, options));
    if (reply === undefined) return undefined;
    return {
      content: reply.body,
      format: reply.headers['x-holdfast-format'] ?? 'text',
      version: numberHeader(reply, 'x-holdfast-version') ?? 0,
      revision: numberHeader(reply, 'x-holdfast-revision') ?? 0,
      ageMs: numberHeader(reply, 'x-holdfast-age-ms'),
    };
  }

  async list(
    options: ListOptions & {
      readonly limit?: number | undefined;
      readonly cursor?: string | undefined;
    },
  ): Promise<ConfigPage> {
    const { namespace, group, prefix, limit, cursor } = options;
    const query = queryText({ ...freshness(options), namespace, group, prefix, limit, cursor });
    const reply = await send(this.#session, readCall(`/v1/configs${query}`, options));
    const page = jsonOf<{ items: ConfigSummary[]; next: string | null }>(reply);
    return { items: page.items, next: page.next ?? undefined };
  }

  async *listAll(options: ListOptions): AsyncGenerator<ConfigSummary, void, void> {
    let cursor: string | undefined;
    do {
      const page = await this.list({ ...options, limit: pageLimit, cursor });
      yield* page.items;
      cursor = page.next;
    } while (cursor !== undefined);
  }

  async history(id: ConfigId, options: ReadOptions = {}): Promise<readonly ConfigVersion[]> {
    const path = `${configPath(id)}/history${queryText(freshness(options))}`;
    const reply = await send(this.#session, readCall(path, options));
    return jsonOf<{ versions: ConfigVersion[] }>(reply).versions;
  }

  async rollback(
    id: ConfigId,
    version: number,
    options: CallOptions & { readonly comment?: string | undefined } = {},
  ): Promise<PublishResult> {
    const reply = await send(this.#session, {
      kind: 'once',
      method: 'POST',
      path: `${configPath(id)}/rollback`,
      headers: { 'content-type': 'application/json' },
      body: new TextEncoder().encode(JSON.stringify({ version, comment: options.comment })),
      ...limitsOf(options),
    });
    return jsonOf(reply);
  }

  async delete(
    id: ConfigId,
    options: CallOptions & { readonly ifVersion?: number | undefined } = {},
  ): Promise<boolean> {
    const { ifVersion } = options;
    const reply = await sendForMaybe(this.#session, {
      kind: ifVersion === undefined ? 'once' : 'repeatable',
      method: 'DELETE',
      path: configPath(id),
      headers: preconditionHeaders(ifVersion),
      ...limitsOf(options),
    });
    return reply !== undefined;
  }

  async *watch(options: ConfigWatchOptions): AsyncGenerator<ConfigChange, void, void> {
    const { namespace, group, name, prefix, fromRevision, signal } = options;
    const path = `/v1/watch${queryText({ namespace, group, name, prefix })}`;
    const { headers, ...ports } = this.#session;
    for await (const { frames } of resumingWatch({ path, headers, fromRevision, signal }, ports)) {
      for (const { data } of frames) yield data as ConfigChange;
    }
  }
}

const configPath = ({ namespace, group, name }: ConfigId): string =>
  `/v1/configs${pathOf(namespace, group, name)}`;

const readCall = (path: string, options: ReadOptions): Call => ({
  kind: 'read',
  method: 'GET',
  path,
  ...limitsOf(options),
});
