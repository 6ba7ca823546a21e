// Key-values as JSON: bytes as base64, and as text beside it where they are text.
import { toTextStrict } from '@holdfast/base/bytes';
import type { AppliedBefore } from '@holdfast/engine/applied-before';
import type { ResponseHeader, WatchEvent } from '@holdfast/engine/engine';
import type { KeyValue } from '@holdfast/proto/internal';
import { Type } from 'typebox';

/** What etcd clients and /v1/kv see (internal.proto). */
export const kvKeyspace = 1;

const nullable = (description: string) => Type.Union([Type.String(), Type.Null()], { description });

export const kvViewSchema = Type.Object({
  key: nullable('the key as text; null where its bytes are not UTF-8'),
  keyBase64: Type.String(),
  text: Type.Optional(nullable('the value as text; null where its bytes are not UTF-8')),
  valueBase64: Type.Optional(Type.String()),
  createRevision: Type.Integer(),
  modRevision: Type.Integer(),
  version: Type.Integer(),
  lease: Type.Optional(Type.String({ description: 'the lease that it hangs on, in decimal' })),
});

export const headerViewSchema = {
  revision: Type.Integer({ description: 'of the store, at which this was read or written' }),
  ageMs: Type.Union([Type.Integer(), Type.Null()], {
    description: 'upper bound of the age of this answer; null = not known',
  }),
};

/** What is known of a repeated write whose first answer was too long to be kept (safety.md 21). */
export const appliedBeforeView = ({ revision, succeeded }: AppliedBefore) => ({
  revision: revision as number,
  appliedBefore: true,
  succeeded,
});

const base64 = (bytes: Uint8Array): string =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64');

export const keyView = (key: Uint8Array) => ({
  key: toTextStrict(key) ?? null,
  keyBase64: base64(key),
});

export function kvView(kv: KeyValue, options: { readonly keysOnly?: boolean } = {}) {
  return {
    ...keyView(kv.key),
    ...(options.keysOnly
      ? {}
      : { text: toTextStrict(kv.value) ?? null, valueBase64: base64(kv.value) }),
    createRevision: kv.createRevision,
    modRevision: kv.modRevision,
    version: kv.version,
    ...(kv.lease === 0n ? {} : { lease: kv.lease.toString() }),
  };
}

export function headerView(header: ResponseHeader) {
  return { revision: header.revision as number, ageMs: wholeAge(header.ageMs) };
}

/** An upper bound stays one when it is rounded. */
const wholeAge = (ageMs: number | undefined): number | null =>
  ageMs === undefined ? null : Math.ceil(ageMs);

/** `X-Holdfast-Age-Ms` (safety.md 19). */
export const ageText = (ageMs: number | undefined): string =>
  ageMs === undefined ? 'unknown' : String(Math.ceil(ageMs));

/** A delete shows its key and revision, and no value. */
export function eventView(event: WatchEvent) {
  const kv = kvView(event.kv, { keysOnly: event.type === 'delete' });
  const view = { type: event.type, ...kv };
  return event.prevKv === undefined ? view : { ...view, prev: kvView(event.prevKv) };
}
