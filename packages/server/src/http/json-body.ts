// JSON bodies: parsed with the place of a mistake, checked against the route's schema.
import { toTextStrict } from '@holdfast/base/bytes';
import { HoldfastError, messageOf } from '@holdfast/base/errors';
import type { TSchema } from 'typebox';
// The part that checks, without the half of the library that every start would load for nothing.
import { Compile } from 'typebox/schema';

import { invalid } from './call-options.ts';

/** The place is searched by parsing again and again, so only in texts up to here. */
const searchedLengthMax = 64 * 1024;

/** The value, or `invalid-argument` with line and column. */
export function jsonOf(body: Buffer): unknown {
  // Some editors put a byte order mark before what they save.
  const text = toTextStrict(body)?.replace(/^\ufeff/, '');
  if (text === undefined) throw invalid('the body is not UTF-8');
  if (text.trim() === '') throw invalid('the body is empty, and should be JSON');
  try {
    return JSON.parse(text);
  } catch (error) {
    throw malformed(text, messageOf(error));
  }
}

function malformed(text: string, message: string): HoldfastError {
  const at = text.length <= searchedLengthMax ? positionOf(text) : undefined;
  if (at === undefined) return invalid(`the body is not JSON: ${firstLine(message)}`);
  const before = text.slice(0, at).split('\n');
  const line = before.length;
  const column = (before.at(-1)?.length ?? 0) + 1;
  const what = at >= text.length ? 'it ends too early' : `unexpected ${JSON.stringify(text[at])}`;
  return invalid(`the body is not JSON: ${what} at line ${line}, column ${column}`, {
    line,
    column,
    position: at,
  });
}

const firstLine = (message: string): string => message.split('\n')[0]?.slice(0, 200) ?? '';

/**
 * Where the text stops being the beginning of some JSON. The engine's messages name a position only
 * sometimes; whether a prefix is merely unfinished they tell always, and that is monotone.
 */
function positionOf(text: string): number {
  let lo = 0;
  let hi = text.length;
  while (lo < hi) {
    const middle = Math.ceil((lo + hi) / 2);
    if (mayGoOn(text.slice(0, middle))) lo = middle;
    else hi = middle - 1;
  }
  return lo;
}

function mayGoOn(prefix: string): boolean {
  try {
    JSON.parse(prefix);
    return true;
  } catch (error) {
    const message = messageOf(error);
    const at = /at position (\d+)/.exec(message)?.[1];
    return /unexpected end|unterminated/i.test(message) || Number(at) === prefix.length;
  }
}

type Route = { readonly schema: unknown; readonly httpPart?: string | undefined };
type Checked = { readonly value: unknown } | { readonly error: Error };

/**
 * The validator of a part of a request. Only bodies are checked here: paths and queries are read by
 * the routes (`call-options.ts`), whose schemas describe them for people.
 */
export function validatorOf(route: Route): (value: unknown) => Checked {
  if (route.httpPart !== 'body') return (value) => ({ value });
  const validator = Compile(route.schema as TSchema);
  return (value) => {
    if (Buffer.isBuffer(value)) return { error: wrongType() };
    if (validator.Check(value)) return { value };
    const [first] = validator.Errors(value)[1];
    const at = first?.instancePath || '/';
    return { error: invalid(`the body at ${at}: ${first?.message ?? 'not valid'}`, { at }) };
  };
}

const wrongType = (): HoldfastError =>
  new HoldfastError('unsupported-media-type', 'send the body as Content-Type: application/json');

/** Numbers of 64 bits become text: JSON has none. */
export const serializerOf =
  () =>
  (value: unknown): string =>
    JSON.stringify(value, (_, one: unknown) => (typeof one === 'bigint' ? one.toString() : one));
