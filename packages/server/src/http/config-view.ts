// Configurations as JSON and as headers.
import { toTextStrict } from '@holdfast/base/bytes';
import type { ConfigKey } from '@holdfast/domain/config-key';
import type { Configuration, PlacedVersion } from '@holdfast/domain/config-record';
import { configFormats, mediaTypeOf } from '@holdfast/domain/format';
import type { ConfigWatchEvent } from '@holdfast/engine/config-changes';
import type { ResponseHeader } from '@holdfast/engine/engine';
import { Type } from 'typebox';

import { ageText } from './kv-view.ts';

const versionFields = {
  kind: Type.Union([Type.Literal('publish'), Type.Literal('rollback'), Type.Literal('delete')]),
  version: Type.Integer({
    description: 'counts the changes of this configuration from 1; the ETag',
  }),
  revision: Type.Integer({ description: 'of the store, at which this change was made' }),
  format: Type.Union(configFormats.map((format) => Type.Literal(format))),
  hash: Type.Union([Type.String(), Type.Null()], { description: 'SHA-256; null = deleted' }),
  bytes: Type.Integer({ description: 'of the content' }),
  at: Type.String({ description: 'RFC 3339; a wall clock for display, never for order' }),
  atMs: Type.Integer({ description: 'the same in milliseconds since 1970' }),
  actor: Type.String({ description: 'who; unverified:... where no identity was proved' }),
  comment: Type.String(),
  restoredVersion: Type.Optional(Type.Integer({ description: 'what a rollback brought back' })),
};

/** The last moment that a Date can hold (ECMA-262, 21.4.1.1). */
const timeMaxMs = 8.64e15;

const keyFields = { namespace: Type.String(), group: Type.String(), name: Type.String() };

export const versionViewSchema = Type.Object(versionFields);
export const configViewSchema = Type.Object({ ...keyFields, ...versionFields });

export const configParamsSchema = Type.Object({
  namespace: Type.String({ description: 'one path segment, without a slash' }),
  group: Type.String({ description: 'one path segment, without a slash' }),
  name: Type.String({ description: 'one path segment; a slash in it is %2F' }),
});

export function versionView(placed: PlacedVersion) {
  return {
    kind: placed.kind,
    version: placed.version,
    revision: placed.revision as number,
    format: placed.format,
    hash: placed.contentHash ?? null,
    bytes: placed.contentBytes,
    at: timeOf(placed).toISOString(),
    atMs: placed.publishedAtMs,
    actor: placed.actor,
    comment: placed.comment,
    ...(placed.restoredVersion === undefined ? {} : { restoredVersion: placed.restoredVersion }),
  };
}

const nameView = ({ namespace, group, name }: ConfigKey) => ({ namespace, group, name });

export const configView = (item: Configuration) => ({ ...nameView(item), ...versionView(item) });

export function configEventView(event: ConfigWatchEvent) {
  const placed = { ...event.change, revision: event.revision };
  const { type, key, content } = event;
  return { type, ...nameView(key), ...versionView(placed), ...contentView(content) };
}

/** Text where the bytes are UTF-8, else base64; nothing where no content was asked for. */
function contentView(content: Uint8Array | undefined) {
  if (content === undefined) return {};
  // A byte order mark would be lost in the text: such a content travels as base64 too.
  const text = content[0] === 0xef ? undefined : toTextStrict(content);
  if (text !== undefined) return { content: text };
  return { contentBase64: Buffer.from(content).toString('base64') };
}

/** A wall clock that was far off must not make an answer impossible. */
const timeOf = ({ publishedAtMs }: PlacedVersion): Date =>
  new Date(Math.min(publishedAtMs, timeMaxMs));

/** The facts about a content that is answered as it is. `now` = the header of the read. */
export function contentHeaders(item: Configuration, now: ResponseHeader): Record<string, string> {
  return {
    ...changeHeaders(item, now),
    'X-Holdfast-Age-Ms': ageText(now.ageMs),
    'X-Holdfast-Format': item.format,
    'X-Holdfast-Content-Hash': item.contentHash,
    'Last-Modified': timeOf(item).toUTCString(),
    'Cache-Control': 'no-cache',
    'X-Content-Type-Options': 'nosniff',
    // A published XML or text is nobody's page: opened in a browser, it runs no script.
    'Content-Security-Policy': "default-src 'none'; sandbox",
  };
}

export function changeHeaders(item: PlacedVersion, now: ResponseHeader): Record<string, string> {
  return {
    ETag: etagOf(item),
    'X-Holdfast-Revision': String(now.revision),
    'X-Holdfast-Version': String(item.version),
  };
}

/** The version: it counts on for ever, also over deletes, so it names one content in one format. */
export const etagOf = (item: PlacedVersion): string => `"${item.version}"`;

export const mediaType = (item: Configuration, content: Uint8Array): string =>
  mediaTypeOf(item.format, content);
