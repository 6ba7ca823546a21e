// `GET /v1/kv`: a page of keys. All pages of one listing are read at the revision of the first, so
// that what is written meanwhile neither hides a key nor shows one twice; the cursor carries it.
import { prefixEnd, utf8 } from '@holdfast/base/bytes';
import { revision } from '@holdfast/base/ids';
import { keyAfter } from '@holdfast/base/key';
import { rangeRequest } from '@holdfast/domain/requests';
import type { Engine, ResponseHeader } from '@holdfast/engine/engine';
import type { KeyValue, RangeRequest, RangeResponse } from '@holdfast/proto/internal';
import type { FastifyReply } from 'fastify';

import type { Asker, Call } from './call.ts';
import { flagOf, invalid, naturalOf } from './call-options.ts';
import type { HttpContext } from './http-context.ts';
import { headerView, kvKeyspace, kvView } from './kv-view.ts';
import { type Slice, SlicedAnswer } from './sliced-answer.ts';

export const listParameters: readonly string[] = ['prefix', 'limit', 'cursor', 'keys-only'];

export const listLimitDefault = 100;
export const listLimitMax = 1000;
/** A page ends early when its keys and values reach this. */
const pageBytesMax = 4 * 1024 * 1024;
/** A slice of it ends when its keys and values reach this: less than a millisecond's work. */
const sliceBytes = 32 * 1024;
/** Keys of a slice at most. */
const stepKeys = 64;

type Cursor = { readonly revision: number; readonly from: Uint8Array };

type Page = {
  readonly prefix: Uint8Array;
  readonly keysOnly: boolean;
  readonly limit: number;
  readonly cursor: Cursor | undefined;
};

/** Answers with the page, piece by piece as its reader takes them. */
export async function sendList(
  context: HttpContext,
  reply: FastifyReply,
  call: Call,
): Promise<void> {
  const { engine } = context.slot;
  const page = pageOf(call);
  const pin = await pinOf(engine, call, page);
  const pages = new PageReader(engine, { page, pin, asker: call.asker });
  await new SlicedAnswer(context, reply, () => pages.next()).send(call.signal);
}

/** What all slices of a page have in common. */
type Pin = {
  readonly header: ResponseHeader;
  readonly revision: number;
  /** Undefined: the first slice counts. */
  readonly count: number | undefined;
};

/**
 * Waits until what is asked for can be read here. The newest revision is counted at once: by the
 * time of the first slice it may be an old one, whose keys are counted one by one.
 */
async function pinOf(engine: Engine, call: Call, page: Page): Promise<Pin> {
  const { cursor } = page;
  const wanted = { limit: 1, revision: cursor?.revision ?? 0, keysOnly: true };
  const request = rangeOf(page, cursor?.from ?? page.prefix, wanted);
  if (cursor === undefined) {
    const { header, body } = await engine.range(request, call.read);
    return { header, revision: header.revision, count: body.count };
  }
  const read = { ...call.read, minRevision: revision(cursor.revision), uncounted: true };
  const { header } = await engine.range(request, { ...read, consistency: { level: 'stale' } });
  return { header, revision: cursor.revision, count: undefined };
}

type Pinned = { readonly page: Page; readonly pin: Pin; readonly asker: Asker };

/**
 * A page's text in slices. Between two of them it holds no key and no value of the store, which
 * would pin the store's memory for as long as somebody reads.
 */
class PageReader {
  readonly #engine: Engine;
  readonly #pinned: Pinned;
  #from: Uint8Array;
  #taken = 0;
  #bytes = 0;

  constructor(engine: Engine, pinned: Pinned) {
    const { page } = pinned;
    this.#engine = engine;
    this.#pinned = pinned;
    this.#from = page.cursor?.from ?? page.prefix;
  }

  async next(): Promise<Slice> {
    const isFirst = this.#taken === 0;
    const step = await this.#read(isFirst);
    const kvs = this.#take(step);
    const more = step.more || kvs.length < step.kvs.length;
    const isLast = !more || this.#taken >= this.#pinned.page.limit || this.#bytes >= pageBytesMax;
    const { keysOnly } = this.#pinned.page;
    const items = kvs.map((kv) => JSON.stringify(kvView(kv, { keysOnly }))).join(',');
    const head = isFirst ? this.#head(this.#pinned.pin.count ?? step.count) : ',';
    const tail = isLast ? this.#tail(more) : '';
    return { bytes: Buffer.from(`${head}${items}${tail}`), isLast };
  }

  /** All slices are of the same revision, which is here. */
  async #read(isFirst: boolean): Promise<RangeResponse> {
    const { page, pin, asker } = this.#pinned;
    const limit = Math.min(page.limit - this.#taken, stepKeys);
    const wanted = { limit, revision: pin.revision, keysOnly: page.keysOnly };
    const request = rangeOf(page, this.#from, wanted);
    const { body } = await this.#engine.range(request, {
      actor: asker.actor,
      subject: asker.subject,
      consistency: { level: 'stale' },
      uncounted: !isFirst || pin.count !== undefined,
    });
    return body;
  }

  /** What fits on a slice and on the page. The first one always fits. */
  #take(step: RangeResponse): readonly KeyValue[] {
    const kvs: KeyValue[] = [];
    let bytes = 0;
    for (const kv of step.kvs) {
      if (bytes >= sliceBytes || this.#bytes >= pageBytesMax) break;
      const size = kv.key.length + kv.value.length;
      bytes += size;
      this.#bytes += size;
      kvs.push(kv);
    }
    this.#taken += kvs.length;
    const last = kvs.at(-1);
    if (last) this.#from = keyAfter(last.key) ?? this.#from; // None is behind it: it is the last.
    return kvs;
  }

  #head(count: number): string {
    const head = JSON.stringify({ ...headerView(this.#pinned.pin.header), count });
    return `${head.slice(0, -1)},"items":[`;
  }

  #tail(more: boolean): string {
    const next = more
      ? encodeCursor({ revision: this.#pinned.pin.revision, from: this.#from })
      : null;
    return `],"next":${JSON.stringify(next)}}`;
  }
}

const rangeOf = (
  page: Page,
  from: Uint8Array,
  wanted: { readonly limit: number; readonly revision: number; readonly keysOnly: boolean },
): RangeRequest =>
  rangeRequest(
    { keyspace: kvKeyspace, key: nonEmpty(from), rangeEnd: prefixEnd(page.prefix) },
    wanted,
  );

/** The empty key is no key: a range over everything begins at the zero byte, as in etcd. */
const nonEmpty = (key: Uint8Array): Uint8Array => (key.length === 0 ? new Uint8Array([0]) : key);

function pageOf(call: Call): Page {
  const { query } = call;
  const limit = naturalOf(query, 'limit') ?? listLimitDefault;
  if (limit < 1 || limit > listLimitMax) throw invalid(`limit is 1 to ${listLimitMax}`);
  return {
    prefix: utf8(query.prefix ?? ''),
    keysOnly: flagOf(query, 'keys-only'),
    limit,
    cursor: query.cursor === undefined ? undefined : decodeCursor(query.cursor),
  };
}

/** Opaque to clients: the revision, a colon, the key in hexadecimal digits; as base64url. */
function encodeCursor(cursor: Cursor): string {
  const key = Buffer.from(cursor.from).toString('hex');
  return Buffer.from(`${cursor.revision}:${key}`).toString('base64url');
}

function decodeCursor(text: string): Cursor {
  const parts = /^(\d{1,15}):((?:[0-9a-f]{2})+)$/.exec(Buffer.from(text, 'base64url').toString());
  if (parts === null) throw invalid('the cursor is not one that this list gave');
  return { revision: Number(parts[1]), from: Buffer.from(parts[2] as string, 'hex') };
}
