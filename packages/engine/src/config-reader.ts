// Reads of configurations: present state, one version, lists and history. A content is read after
// the record that names it; since a hash names one content for ever, the second read may be of any
// later state, and only has to find it.
import { must } from '@holdfast/base/assert';
import { HoldfastError } from '@holdfast/base/errors';
import type { Revision } from '@holdfast/base/ids';
import {
  type ConfigFilter,
  type ConfigKey,
  configFilter,
  contentRange,
  describeConfigKey,
  filterRange,
  headRange,
  matchesFilter,
  oneVersion,
  tombstoneRange,
  versionRange,
} from '@holdfast/domain/config-key';
import {
  type ConfigState,
  type Configuration,
  configurationOf,
  decodeState,
  decodeVersion,
  type PlacedVersion,
} from '@holdfast/domain/config-record';
import { type KeyRange, rangeRequest } from '@holdfast/domain/requests';
import type { KeyValue } from '@holdfast/proto/internal';
import { decodeConfigCursor, encodeConfigCursor } from './config-cursor.ts';
import type { Answer, Engine, ReadOptions, ResponseHeader } from './engine.ts';

/** How often a read starts again because what it was reading was changed under it. */
const attemptsMax = 8;
/** Keys that one page of a list looks at, matching or not. */
const scannedMax = 2_000;

export type ConfigContent = { readonly item: Configuration; readonly content: Uint8Array };
export type ConfigList = {
  readonly items: readonly Configuration[];
  /** Where the next page begins; undefined = this was the last one. */
  readonly cursor: string | undefined;
};
export type ConfigHistory = {
  /** Newest first. */
  readonly versions: readonly PlacedVersion[];
  /** Pass it as `before` to go on; undefined = the oldest kept version was given. */
  readonly before: number | undefined;
};

export class ConfigReader {
  readonly #engine: Engine;

  constructor(engine: Engine) {
    this.#engine = engine;
  }

  /** The state of a configuration that exists or existed; undefined = never published. */
  async state(key: ConfigKey, options: ReadOptions): Promise<Answer<ConfigState | undefined>> {
    return await this.#again(key, async () => {
      const head = await this.#one(headRange(key), options);
      if (head.body) return { header: head.header, body: decodeState(head.body) };
      // Absent at this revision: at this same revision, is there a tombstone?
      const at = head.header.revision;
      const tombstone = await this.#one(tombstoneRange(key), localRead(options, at), at);
      return { header: head.header, body: tombstone.body && decodeState(tombstone.body) };
    });
  }

  /**
   * The change of the configuration that the transaction at that revision made; undefined if that
   * was about something else. Throws `compacted`.
   */
  async changeAt(
    key: ConfigKey,
    at: Revision,
    options: ReadOptions,
  ): Promise<PlacedVersion | undefined> {
    const local = localRead(options, at);
    for (const range of [headRange(key), tombstoneRange(key)]) {
      const { body } = await this.#one(range, local, at);
      if (body?.modRevision === at) return decodeState(body).latest;
    }
    return undefined;
  }

  /** Throws `not-found` for what does not exist, saying whether it was deleted. */
  async head(key: ConfigKey, options: ReadOptions): Promise<Answer<Configuration>> {
    const { header, body } = await this.#one(headRange(key), options);
    const item = body && configurationOf(key, decodeState(body).latest);
    if (item) return { header, body: item };
    throw await this.#absence(key, options, header);
  }

  async content(key: ConfigKey, options: ReadOptions): Promise<Answer<ConfigContent>> {
    return await this.#again(key, async () => {
      const { header, body: item } = await this.head(key, options);
      const content = await this.contentOf(item.contentHash, options, header.revision);
      return content && { header, body: { item, content } };
    });
  }

  /** Throws `not-found` for a version that is not kept, and for one that is a delete. */
  async version(
    key: ConfigKey,
    version: number,
    options: ReadOptions,
  ): Promise<Answer<Configuration>> {
    const { header, body } = await this.#one(oneVersion(key, version), options);
    if (!body) {
      throw new HoldfastError(
        'not-found',
        `${describeConfigKey(key)} has no version ${version} (any more)`,
      );
    }
    const item = configurationOf(key, decodeVersion(body));
    if (item) return { header, body: item };
    throw new HoldfastError(
      'not-found',
      `version ${version} of ${describeConfigKey(key)} is a delete and has no content`,
    );
  }

  async versionContent(
    key: ConfigKey,
    version: number,
    options: ReadOptions,
  ): Promise<Answer<ConfigContent>> {
    return await this.#again(key, async () => {
      const { header, body: item } = await this.version(key, version, options);
      const content = await this.contentOf(item.contentHash, options, header.revision);
      return content && { header, body: { item, content } };
    });
  }

  /** The bytes with that hash, if a version still needs them at `atLeast` or later. */
  async contentOf(
    hash: string,
    options: ReadOptions,
    atLeast: Revision,
  ): Promise<Uint8Array | undefined> {
    const { body } = await this.#one(contentRange(hash), localRead(options, atLeast));
    return body?.value;
  }

  /** The versions [lo, hi) that are kept, oldest first. */
  async versions(
    key: ConfigKey,
    span: { readonly lo: number; readonly hi: number },
    options: ReadOptions,
  ): Promise<PlacedVersion[]> {
    const range = versionRange(key, span.lo, span.hi);
    const { body } = await this.#engine.range(rangeRequest(range), options);
    return body.kvs.map((kv) => decodeVersion(kv));
  }

  /** Newest first, `limit` at a time, from the one before `before` on. Throws `not-found`. */
  async history(
    key: ConfigKey,
    page: { readonly limit: number; readonly before: number | undefined },
    options: ReadOptions,
  ): Promise<Answer<ConfigHistory>> {
    const { header, body: state } = await this.state(key, options);
    if (!state)
      throw new HoldfastError('not-found', `${describeConfigKey(key)} was never published`);
    const hi = Math.min(page.before ?? Number.MAX_SAFE_INTEGER, state.latest.version + 1);
    const lo = Math.max(state.firstVersion, hi - page.limit);
    if (hi <= lo) return { header, body: { versions: [], before: undefined } };
    const local = localRead(options, header.revision);
    const versions = (await this.versions(key, { lo, hi }, local)).reverse();
    return { header, body: { versions, before: lo > state.firstVersion ? lo : undefined } };
  }

  /** In the order of namespace, group and name, all pages at the first one's revision. */
  async list(
    filter: ConfigFilter,
    page: { readonly limit: number; readonly cursor: string | undefined },
    options: ReadOptions,
  ): Promise<Answer<ConfigList>> {
    const whole = filterRange('c', configFilter(filter));
    const cursor = page.cursor === undefined ? undefined : decodeConfigCursor(page.cursor);
    const range = cursor ? continued(whole, cursor.after) : whole;
    const limit = isNarrow(filter) ? page.limit + 1 : scannedMax;
    const request = rangeRequest(range, { limit, revision: cursor?.revision ?? 0 });
    const read = cursor ? localRead(options, cursor.revision) : options;
    const { header, body } = await this.#engine.range(request, read);
    const revision = cursor?.revision ?? header.revision;
    return { header, body: pageOf(body.kvs, body.more, { filter, limit: page.limit, revision }) };
  }

  async #one(range: KeyRange, options: ReadOptions, at = 0): Promise<Answer<KeyValue | undefined>> {
    const { header, body } = await this.#engine.range(
      rangeRequest(range, { revision: at }),
      options,
    );
    return { header, body: body.kvs[0] };
  }

  /** Runs a read of several steps until its steps fit together. */
  async #again<T>(key: ConfigKey, read: () => Promise<T | undefined>): Promise<T> {
    for (let attempt = 0; attempt < attemptsMax; attempt += 1) {
      const result = await orCompacted(read);
      if (result !== undefined) return result;
    }
    throw new HoldfastError(
      'unavailable',
      `${describeConfigKey(key)} changed ${attemptsMax} times while it was being read; try again`,
    );
  }

  async #absence(
    key: ConfigKey,
    options: ReadOptions,
    header: ResponseHeader,
  ): Promise<HoldfastError> {
    const local = localRead(options, header.revision);
    const { body } = await this.#one(tombstoneRange(key), local);
    const name = describeConfigKey(key);
    if (!body) return new HoldfastError('not-found', `${name} does not exist`);
    const { version, actor } = decodeState(body).latest;
    return new HoldfastError(
      'not-found',
      `${name} was deleted by ${actor} (version ${version}); its history is kept, and a rollback ` +
        'brings it back',
      { details: { deletedVersion: version, actor } },
    );
  }
}

/** A later step of a read that has begun: of this member's own state, no older than that step's. */
function localRead(options: ReadOptions, atLeast: Revision): ReadOptions {
  return { ...options, consistency: { level: 'stale' }, minRevision: atLeast };
}

/** Undefined when the revision between two steps was compacted away: the read begins again. */
async function orCompacted<T>(read: () => Promise<T | undefined>): Promise<T | undefined> {
  try {
    return await read();
  } catch (error) {
    if (error instanceof HoldfastError && error.code === 'compacted') return undefined;
    throw error;
  }
}

/** Whether every key in the filter's range matches it. */
function isNarrow(filter: ConfigFilter): boolean {
  const parts = [filter.namespace, filter.group, filter.name ?? filter.prefix];
  const known = parts.filter((part) => part !== undefined).length;
  const bothNames = filter.name !== undefined && filter.prefix !== undefined;
  return !bothNames && parts.slice(0, known).every((part) => part !== undefined);
}

/** What of `whole` lies behind the head of `after`. */
function continued(whole: KeyRange, after: ConfigKey): KeyRange {
  const head = headRange(after).key;
  const key = new Uint8Array(head.length + 1);
  key.set(head);
  return { ...whole, key };
}

function pageOf(
  kvs: readonly KeyValue[],
  more: boolean,
  page: { readonly filter: ConfigFilter; readonly limit: number; readonly revision: Revision },
): ConfigList {
  const items: Configuration[] = [];
  for (const kv of kvs) {
    const { key, latest } = decodeState(kv);
    if (!matchesFilter(page.filter, key)) continue;
    if (items.length === page.limit) return { items, cursor: cursorOf(items, page.revision) };
    items.push(must(configurationOf(key, latest), 'a head is the state of a live configuration'));
  }
  const last = kvs.at(-1);
  if (!more || !last) return { items, cursor: undefined };
  const after = decodeState(last).key;
  return { items, cursor: encodeConfigCursor({ revision: page.revision, after }) };
}

function cursorOf(items: readonly Configuration[], revision: Revision): string {
  const { namespace, group, name } = must(items.at(-1), 'a full page has items');
  return encodeConfigCursor({ revision, after: { namespace, group, name } });
}
