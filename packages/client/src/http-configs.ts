// The configuration calls over `/v1/configs` and `/v1/watch`.
import { equalBytes } from '@holdfast/base/bytes';

import { isHoldfastError } from '@holdfast/base/errors';

import type { Call, Reply } from './caller.ts';
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
import { type ConfigEventView, changeOf } from './config-view.ts';
import { freshness, pathOf, queryText } from './query.ts';
import { resumingWatch } from './resuming-watch.ts';
import {
  isOwnShadow,
  jsonOf,
  jsonWithRevision,
  limitsOf,
  neededNumber,
  numberHeader,
  ownShadow,
  preconditionHeaders,
  type Session,
  send,
  sendForMaybe,
} from './session.ts';

const pageLimit = 1_000;

type ListPage = { readonly items: readonly ConfigSummary[]; readonly next: string | null };
type HistoryPage = { readonly versions: readonly ConfigVersion[]; readonly next: string | null };

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
    const query = queryText({ format, comment });
    const call: Call = {
      kind: ifVersion !== undefined || mayRepeat ? 'repeatable' : 'once',
      method: 'PUT',
      path: `${configPath(id)}${query}`,
      headers: { 'content-type': 'application/octet-stream', ...preconditionHeaders(ifVersion) },
      body: content,
      ...limitsOf(options),
    };
    try {
      return resultOf(await send(this.#session, call));
    } catch (error) {
      if (ifVersion === undefined || !isOwnShadow(error)) throw error;
      const own = await this.#ownPublication(id, content, { ...options, ifVersion });
      if (own !== undefined) return own;
      throw ownShadow(error);
    }
  }

  async get(
    id: ConfigId,
    options: ReadOptions & { readonly version?: number | undefined } = {},
  ): Promise<ConfigContent | undefined> {
    const query = queryText({ ...freshness(options), version: options.version });
    const path = `${configPath(id)}${query}`;
    const reply = await sendForMaybe(this.#session, readCall(path, options));
    return reply === undefined ? undefined : contentOf(reply);
  }

  async list(
    options: ListOptions & {
      readonly limit?: number | undefined;
      readonly cursor?: string | undefined;
    },
  ): Promise<ConfigPage> {
    const { namespace, group, prefix, limit, cursor } = options;
    const query = queryText({ ...freshness(options), prefix, limit, cursor });
    const path = `/v1/configs${pathOf(namespace, group)}${query}`;
    const reply = await send(this.#session, readCall(path, options));
    const page = jsonOf<ListPage>(reply);
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
    const versions: ConfigVersion[] = [];
    let cursor: string | undefined;
    do {
      const query = queryText({ ...freshness(options), limit: pageLimit, cursor });
      const path = `${configPath(id)}/history${query}`;
      const page = jsonOf<HistoryPage>(await send(this.#session, readCall(path, options)));
      versions.push(...page.versions);
      cursor = page.next ?? undefined;
    } while (cursor !== undefined);
    return versions;
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
    return resultOf(reply);
  }

  async delete(
    id: ConfigId,
    options: CallOptions & {
      readonly ifVersion?: number | undefined;
      readonly comment?: string | undefined;
    } = {},
  ): Promise<boolean> {
    const { ifVersion, comment } = options;
    const call: Call = {
      kind: ifVersion === undefined ? 'once' : 'repeatable',
      method: 'DELETE',
      path: `${configPath(id)}${queryText({ comment })}`,
      headers: preconditionHeaders(ifVersion),
      ...limitsOf(options),
    };
    try {
      await send(this.#session, call);
      return true;
    } catch (error) {
      // Absent after a try of unknown outcome: that very try did it.
      if (isHoldfastError(error, 'not-found')) return error.outcome === 'unknown';
      throw isOwnShadow(error) ? ownShadow(error) : error;
    }
  }

  async *watch(options: ConfigWatchOptions): AsyncGenerator<ConfigChange, void, void> {
    const { namespace, group, name, prefix, fromRevision, signal } = options;
    const query = queryText({ namespace, group, name, prefix, content: options.withContent });
    const path = `/v1/watch${query}`;
    const watched = { path, fromRevision, signal };
    for await (const { frames } of resumingWatch(watched, this.#session)) {
      for (const { data } of frames) yield changeOf(data as ConfigEventView);
    }
  }

  /** What stands there, if it is what an earlier try of this very publication would have made. */
  async #ownPublication(
    id: ConfigId,
    content: Uint8Array,
    options: PublishOptions & { readonly ifVersion: number },
  ): Promise<PublishResult | undefined> {
    const found = await this.get(id, limitsOf(options));
    const isNext = options.ifVersion === 0 || found?.version === options.ifVersion + 1;
    if (found === undefined || !isNext || !equalBytes(found.content, content)) return undefined;
    return { revision: found.revision, version: found.version, changed: true };
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

const contentOf = (reply: Reply): ConfigContent => ({
  content: reply.body,
  format: reply.headers['x-holdfast-format'] ?? 'text',
  version: neededNumber(reply, 'x-holdfast-version'),
  revision: neededNumber(reply, 'x-holdfast-revision'),
  ageMs: numberHeader(reply, 'x-holdfast-age-ms'),
});

/** "Unchanged" after a try of unknown outcome may well be that try's own change. */
function resultOf(reply: Reply): PublishResult {
  const { revision, version, changed } = jsonWithRevision<PublishResult>(reply);
  return { revision, version, changed: changed || reply.afterUnknown };
}
