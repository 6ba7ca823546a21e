// The key-value calls, in both of their forms: in frames (kv-frames.ts, txn-frames.ts), and over
// `/v1/kv`, `/v1/txn` and `/v1/kv-watch`.
import type { Call, Reply } from './caller.ts';
import type { ReadOptions } from './config-api.ts';
import { areNatural } from './frame-forms.ts';
import type {
  KvApi,
  KvChange,
  KvItem,
  KvListOptions,
  KvPage,
  KvPutOptions,
  KvValue,
  KvWatchOptions,
  KvWriteOptions,
} from './kv-api.ts';
import {
  changeOfEvents,
  deleteFrame,
  deletionOf,
  getFrame,
  keptValueOf,
  listFrame,
  pageOf,
  putFrame,
  refusedBy,
  watchOrderOf,
} from './kv-frames.ts';
import { freshness, pathOf, queryText } from './query.ts';
import { resumingWatch } from './resuming-watch.ts';
import {
  etagRevision,
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
import { txnAnswerOf, txnFrame } from './txn-frames.ts';
import type { Ask } from './wires.ts';

type KvView = {
  readonly key: string | null;
  readonly keyBase64: string;
  readonly valueBase64?: string;
  readonly createRevision: number;
  readonly modRevision: number;
  readonly version: number;
  readonly lease?: string;
};

type KvList = {
  readonly revision: number;
  readonly items: readonly KvView[];
  readonly next: string | null;
};

const pageLimit = 1_000;

export class KvCalls implements KvApi {
  readonly #session: Session;

  constructor(session: Session) {
    this.#session = session;
  }

  async put(key: string, value: Uint8Array, options: KvPutOptions = {}) {
    const { lease, ifRevision } = options;
    const path = `/v1/kv${pathOf(key)}${lease === undefined ? '' : queryText({ lease })}`;
    const headers = ifRevision === undefined ? octets : conditionalOctets(ifRevision);
    const frame = putFrame(key, value, options);
    const call = { method: 'PUT', path, headers, body: value, frame } as const;
    const reply = await this.#write(call, options);
    return { revision: reply.response?.revision ?? neededNumber(reply, 'x-holdfast-revision') };
  }

  async get(
    key: string,
    options: ReadOptions & { readonly revision?: number | undefined } = {},
  ): Promise<KvValue | undefined> {
    const query = queryText({ ...freshness(options), revision: options.revision });
    const call = readCall(`/v1/kv${pathOf(key)}${query}`, options);
    const reply = await sendForMaybe(this.#session, { ...call, frame: getFrame(key, options) });
    if (reply === undefined) return undefined;
    return reply.response ? keptValueOf(reply.response) : kvValueOf(reply);
  }

  async list(
    options: KvListOptions & {
      readonly limit?: number | undefined;
      readonly cursor?: string | undefined;
    } = {},
  ): Promise<KvPage> {
    const query = queryText({
      ...freshness(options),
      prefix: options.prefix,
      'keys-only': options.keysOnly,
      limit: options.limit,
      cursor: options.cursor,
    });
    const call = readCall(`/v1/kv${query}`, options);
    const reply = await send(this.#session, { ...call, frame: listFrame(options) });
    if (reply.response) return pageOf(reply.response, options);
    const page = jsonWithRevision<KvList>(reply);
    return { items: page.items.map(itemOf), revision: page.revision, next: page.next ?? undefined };
  }

  async *listAll(options: KvListOptions = {}): AsyncGenerator<KvItem, void, void> {
    let cursor: string | undefined;
    do {
      const page = await this.list({ ...options, limit: pageLimit, cursor });
      yield* page.items;
      cursor = page.next;
    } while (cursor !== undefined);
  }

  async delete(key: string, options: KvWriteOptions = {}) {
    const headers = preconditionHeaders(options.ifRevision);
    const frame = deleteFrame(key, options);
    const call = { method: 'DELETE', path: `/v1/kv${pathOf(key)}`, headers, frame } as const;
    const reply = await this.#write(call, options);
    if (reply.response) return deletionOf(reply.response);
    return jsonWithRevision<{ revision: number; deleted: number }>(reply);
  }

  async txn(request: unknown, options: KvWriteOptions = {}): Promise<unknown> {
    const reply = await send(this.#session, {
      kind: options.mayRepeat ? 'repeatable' : 'once',
      method: 'POST',
      path: '/v1/txn',
      headers: { 'content-type': 'application/json' },
      body: new TextEncoder().encode(JSON.stringify(request)),
      frame: txnFrame(request),
      ...limitsOf(options),
    });
    return reply.response ? txnAnswerOf(reply.response) : jsonOf(reply);
  }

  async *watch(options: KvWatchOptions): AsyncGenerator<KvChange, void, void> {
    const { key, prefix, fromRevision, signal } = options;
    const path = `/v1/kv-watch${queryText({ key, prefix })}`;
    const order = areNatural(fromRevision ?? 0) ? watchOrderOf(options) : undefined;
    const watched = { path, order, fromRevision, signal };
    for await (const { revision, events, frames } of resumingWatch(watched, this.#session)) {
      if (events) yield changeOfEvents(revision, events);
      for (const { data } of frames) yield changeOf(data as ChangeView);
    }
  }

  async #write(ask: Ask, options: KvWriteOptions): Promise<Reply> {
    try {
      return await send(this.#session, writeCall(ask, options));
    } catch (error) {
      throw isOwnShadow(error) ? ownShadow(error) : error;
    }
  }
}

const octets = { 'content-type': 'application/octet-stream' };

const conditionalOctets = (ifRevision: number): Record<string, string> => ({
  ...octets,
  ...preconditionHeaders(ifRevision),
});

/** Field by field: on the way of every write. */
function writeCall({ method, path, headers, body, frame }: Ask, options: KvWriteOptions): Call {
  const { ifRevision, mayRepeat, timeoutMs, signal } = options;
  const isConditional = ifRevision !== undefined;
  return {
    kind: isConditional || mayRepeat ? 'repeatable' : 'once',
    method,
    path,
    headers,
    body,
    frame,
    refusedBy: isConditional ? (response) => refusedBy(options, response) : undefined,
    timeoutMs,
    signal,
  };
}

const readCall = (path: string, options: ReadOptions): Call => ({
  kind: 'read',
  method: 'GET',
  path,
  ...limitsOf(options),
});

const kvValueOf = (reply: Reply): KvValue => ({
  value: reply.body,
  createRevision: neededNumber(reply, 'x-holdfast-create-revision'),
  modRevision: etagRevision(reply),
  version: neededNumber(reply, 'x-holdfast-version'),
  lease: reply.headers['x-holdfast-lease'],
  revision: neededNumber(reply, 'x-holdfast-revision'),
  ageMs: numberHeader(reply, 'x-holdfast-age-ms'),
});

function itemOf(view: KvView): KvItem {
  const keyBytes = Buffer.from(view.keyBase64, 'base64');
  return {
    key: view.key ?? keyBytes.toString('utf8'),
    keyBytes,
    value: Buffer.from(view.valueBase64 ?? '', 'base64'),
    createRevision: view.createRevision,
    modRevision: view.modRevision,
    version: view.version,
    lease: view.lease,
  };
}

type ChangeView = {
  readonly revision: number;
  readonly events: readonly (KvView & { readonly type: 'put' | 'delete' })[];
};

const changeOf = (view: ChangeView): KvChange => ({
  revision: view.revision,
  events: view.events.map((event) => ({ type: event.type, item: itemOf(event) })),
});
