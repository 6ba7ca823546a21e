// `GET /v1/kv`: a page of keys. All pages of one listing are read at the revision of the first, so
// that what is written meanwhile neither hides a key nor shows one twice; the cursor carries it.
import { concatBytes, emptyBytes, prefixEnd, utf8 } from '@holdfast/base/bytes';
import { revision } from '@holdfast/base/ids';
import { rangeRequest } from '@holdfast/domain/requests';
import type { Answer, Engine } from '@holdfast/engine/engine';
import type { KeyValue, RangeResponse } from '@holdfast/proto/internal';

import type { Call } from './call.ts';
import { flagOf, invalid, naturalOf } from './call-options.ts';
import { headerView, kvKeyspace, kvView } from './kv-view.ts';

export const listParameters: readonly string[] = ['prefix', 'limit', 'cursor', 'keys-only'];

export const listLimitDefault = 100;
export const listLimitMax = 1000;
/** A page ends early when its keys and values reach this. */
const pageBytesMax = 4 * 1024 * 1024;
/** Keys with values are fetched in steps, so that a page of large values is not built to be cut. */
const stepKeys = 32;

type Cursor = { readonly revision: number; readonly from: Uint8Array };

type Page = {
  readonly prefix: Uint8Array;
  readonly keysOnly: boolean;
  readonly limit: number;
  readonly cursor: Cursor | undefined;
};

export async function listKeys(engine: Engine, call: Call) {
  const page = pageOf(call);
  const first = await readStep(engine, call, { page, from: page.cursor?.from ?? page.prefix });
  const kvs: KeyValue[] = [];
  const at = page.cursor?.revision ?? first.header.revision;
  let more = takeStep(kvs, first.body);
  while (more && kvs.length < page.limit && bytesOf(kvs) < pageBytesMax) {
    const next = await readStep(engine, call, { page, from: after(kvs), at, taken: kvs.length });
    more = takeStep(kvs, next.body);
  }
  return {
    ...headerView(first.header),
    count: first.body.count,
    items: kvs.map((kv) => kvView(kv, { keysOnly: page.keysOnly })),
    next: more ? encodeCursor({ revision: at, from: after(kvs) }) : null,
  };
}

/** Adds what fits on the page; answers whether something is left. The first one always fits. */
function takeStep(kvs: KeyValue[], step: RangeResponse): boolean {
  let bytes = bytesOf(kvs);
  for (const kv of step.kvs) {
    if (bytes >= pageBytesMax) return true;
    kvs.push(kv);
    bytes += kv.key.length + kv.value.length;
  }
  return step.more;
}

type Step = {
  readonly page: Page;
  readonly from: Uint8Array;
  /** Set after the first step: the revision that the page is pinned to. */
  readonly at?: number;
  readonly taken?: number;
};

/**
 * The first step is as fresh as the caller asks; the rest read the same revision, which is here.
 */
function readStep(engine: Engine, call: Call, step: Step): Promise<Answer<RangeResponse>> {
  const { page } = step;
  const left = page.limit - (step.taken ?? 0);
  const request = rangeRequest(
    { keyspace: kvKeyspace, key: nonEmpty(step.from), rangeEnd: prefixEnd(page.prefix) },
    {
      limit: page.keysOnly ? left : Math.min(left, stepKeys),
      revision: step.at ?? page.cursor?.revision ?? 0,
      keysOnly: page.keysOnly,
    },
  );
  if (step.at === undefined && page.cursor === undefined) return engine.range(request, call.read);
  const minRevision = revision(request.revision);
  return engine.range(request, { ...call.read, consistency: { level: 'stale' }, minRevision });
}

/** The empty key is no key: a range over everything begins at the zero byte, as in etcd. */
const nonEmpty = (key: Uint8Array): Uint8Array => (key.length === 0 ? new Uint8Array([0]) : key);

/** The smallest key after the last one taken. */
const after = (kvs: readonly KeyValue[]): Uint8Array =>
  concatBytes(kvs.at(-1)?.key ?? emptyBytes, new Uint8Array([0]));

const bytesOf = (kvs: readonly KeyValue[]): number =>
  kvs.reduce((sum, kv) => sum + kv.key.length + kv.value.length, 0);

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
