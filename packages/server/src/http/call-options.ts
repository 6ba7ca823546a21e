// What a request says about how it wants to be carried out: freshness, waiting, who asks. Pure
// functions from query and headers to the engine's options; anything unknown is refused, because a
// misspelt `?consistancy=` that is ignored answers a question nobody asked.
import type { IncomingHttpHeaders } from 'node:http';
import type { Socket } from 'node:net';

import { HoldfastError } from '@holdfast/base/errors';
import { type Revision, revision } from '@holdfast/base/ids';
import type { Consistency, SessionPlace } from '@holdfast/engine/engine';

import { certifiedNameOf } from './certified-door.ts';

/** A query as the routes see it: each parameter once, as text. */
export type Query = Readonly<Record<string, string | undefined>>;

export const readParameters: readonly string[] = ['consistency', 'max-age-ms', 'min-revision'];

const actorLengthMax = 128;
/** Of a name that nobody knows, in the refusal: a mistake of kilobytes is not sent back. */
const shownMax = 64;

export const invalid = (message: string, details: Record<string, unknown> = {}): HoldfastError =>
  new HoldfastError('invalid-argument', message, { details });

/** The part after `?`, each parameter known and there once. */
export function parseQuery(text: string, known: readonly string[]): Query {
  const query: Record<string, string> = {};
  refuseBrokenEscapes(text);
  for (const [name, value] of new URLSearchParams(text)) {
    if (!known.includes(name)) throw unknownParameter(name, known);
    if (name in query) throw invalid(`the parameter ${name} stands there twice`);
    query[name] = value;
  }
  return query;
}

/** URLSearchParams would take them for another text, and a watch would wait for another key. */
function refuseBrokenEscapes(text: string): void {
  if (!text.includes('%')) return;
  try {
    decodeURIComponent(text);
  } catch {
    // A URIError says less than this.
    throw invalid('the percent-encoding of the query is not valid UTF-8');
  }
}

function unknownParameter(name: string, known: readonly string[]): HoldfastError {
  const parameter = name.length <= shownMax ? name : `${name.slice(0, shownMax)}…`;
  const message = `unknown parameter ${JSON.stringify(parameter)}; known here: ${known.join(', ')}`;
  return invalid(message, { parameter });
}

/** A whole number from 0 on, or `invalid-argument` that names the parameter. */
export function naturalOf(query: Query, name: string): number | undefined {
  const text = query[name];
  if (text === undefined) return undefined;
  const value = /^\d{1,16}$/.test(text) ? Number(text) : Number.NaN;
  if (Number.isSafeInteger(value)) return value;
  throw invalid(`${name} is a whole number from 0 on, not ${JSON.stringify(text)}`);
}

export function revisionOf(query: Query, name: string): Revision | undefined {
  const value = naturalOf(query, name);
  return value === undefined ? undefined : revision(value);
}

export function flagOf(query: Query, name: string): boolean {
  const text = query[name];
  if (text === undefined || text === 'false') return false;
  if (text === 'true' || text === '') return true;
  throw invalid(`${name} is true or false, not ${JSON.stringify(text)}`);
}

/** `?consistency=linearizable|bounded|stale`; `?max-age-ms=` alone means bounded (safety.md 19). */
export function consistencyOf(query: Query): Consistency {
  const maxAgeMs = naturalOf(query, 'max-age-ms');
  const level = query.consistency ?? (maxAgeMs === undefined ? 'linearizable' : 'bounded');
  if (level === 'bounded') {
    if (maxAgeMs === undefined) throw invalid('a bounded read needs max-age-ms');
    return { level, maxAgeMs };
  }
  if (level !== 'linearizable' && level !== 'stale') {
    throw invalid(`consistency is linearizable, bounded or stale, not ${JSON.stringify(level)}`);
  }
  if (maxAgeMs !== undefined) throw invalid(`max-age-ms needs consistency=bounded, not ${level}`);
  return { level };
}

/** As it names itself, which counts only where no certificate does. */
export function actorNamed(named: string | readonly string[] | undefined, socket: Socket): string {
  const certified = certifiedNameOf(socket);
  if (certified !== undefined) return `certificate:${visible(certified)}`;
  if (named === undefined) return `unverified:${socket.remoteAddress ?? 'unknown'}`;
  if (typeof named !== 'string' || !isActorName(named)) {
    throw invalid(`Holdfast-Actor is 1 to ${actorLengthMax} visible characters`);
  }
  return `unverified:${named}`;
}

/** One that has shown its password, or a token. */
export const userActor = (name: string): string => `user:${visible(name)}`;

const visible = (name: string): string =>
  name.replaceAll(/[^\x20-\x7e\xa0-\xff]/g, '?').slice(0, actorLengthMax);

const isActorName = (name: string): boolean =>
  name.length <= actorLengthMax &&
  /^[\x21-\x7e\xa0-\xff](?:[\x20-\x7e\xa0-\xff]*[\x21-\x7e\xa0-\xff])?$/.test(name);

/** `Holdfast-Timeout-Ms`; undefined = the default. */
export const timeoutOf = (headers: IncomingHttpHeaders): number | undefined =>
  millisecondsOf(headers, 'Holdfast-Timeout-Ms');

/** `Holdfast-Max-Age-Ms` of a watch; undefined = it goes on whatever its member knows. */
export const maxAgeOf = (headers: IncomingHttpHeaders): number | undefined =>
  millisecondsOf(headers, 'Holdfast-Max-Age-Ms');

function millisecondsOf(headers: IncomingHttpHeaders, name: string): number | undefined {
  const text = headers[name.toLowerCase()];
  if (text === undefined) return undefined;
  if (typeof text === 'string' && /^[1-9]\d{0,8}$/.test(text)) return Number(text);
  throw invalid(`${name} is a number of milliseconds from 1 on, not ${JSON.stringify(text)}`);
}

/** Writes of a session that may be in flight at once (safety.md 21). */
const inFlightMax = 64n;

/**
 * `Holdfast-Session`, `Holdfast-Sequence`, `Holdfast-Lowest-Pending`; undefined = no session. The
 * lowest pending sequence that is taken unless one is named is 63 below the write's own: right for
 * any number of writes at once that a session may have, in whatever order they arrive.
 */
export function sessionOf(headers: IncomingHttpHeaders): SessionPlace | undefined {
  const id = idHeader(headers, 'holdfast-session');
  const sequence = idHeader(headers, 'holdfast-sequence');
  const named = idHeader(headers, 'holdfast-lowest-pending');
  if (id === undefined && sequence === undefined && named === undefined) return undefined;
  if (id === undefined || sequence === undefined) {
    throw invalid('a write in a session has both headers, Holdfast-Session and Holdfast-Sequence');
  }
  const lowest = sequence < inFlightMax ? 1n : sequence - inFlightMax + 1n;
  return { id, sequence, lowestPending: named ?? lowest };
}

function idHeader(headers: IncomingHttpHeaders, name: string): bigint | undefined {
  const text = headers[name];
  return text === undefined ? undefined : idOf(String(text), name);
}

/** An id of 64 bits, above zero, as decimal digits: JSON has no such number. */
export function idOf(text: string, name: string): bigint {
  const id = /^\d{1,20}$/.test(text) ? BigInt(text) : 0n;
  if (id > 0n && id < 1n << 64n) return id;
  throw invalid(`${name} is a number above zero of 64 bits, in decimal, not ${shown(text)}`);
}

const shown = (text: string): string => JSON.stringify(text.slice(0, shownMax));

/** `If-Match` / `If-None-Match` in terms of a key's mod revision. */
export type Precondition =
  | { readonly kind: 'none' }
  | { readonly kind: 'exists' }
  | { readonly kind: 'absent' }
  | { readonly kind: 'revision-is'; readonly revision: number }
  | { readonly kind: 'revision-is-not'; readonly revision: number };

const noPrecondition: Precondition = { kind: 'none' };

/** One tag or `*` each; both at once are refused, since they ask two questions. */
export function preconditionOf(headers: IncomingHttpHeaders): Precondition {
  const match = headers['if-match'];
  const noneMatch = headers['if-none-match'];
  if (match === undefined && noneMatch === undefined) return noPrecondition;
  if (match !== undefined && noneMatch !== undefined) {
    throw invalid('If-Match and If-None-Match can not stand together');
  }
  if (match !== undefined) {
    if (match === '*') return { kind: 'exists' };
    const wanted = tagRevision('If-Match', match);
    return wanted === 0 ? { kind: 'absent' } : { kind: 'revision-is', revision: wanted };
  }
  if (noneMatch === '*') return { kind: 'absent' };
  return { kind: 'revision-is-not', revision: tagRevision('If-None-Match', noneMatch as string) };
}

/** `"12"`, and as a courtesy to curl's users `12`. `0` = the key is not there. */
function tagRevision(header: string, text: string): number {
  const digits = /^(?:W\/)?"?(\d{1,15})"?$/.exec(text.trim())?.[1];
  if (digits !== undefined) return Number(digits);
  throw invalid(`${header} is * or one revision like "12", not ${JSON.stringify(text)}`);
}
