// Holds a value from outside against a schema (schema-type.ts) and says where it first differs.
import type { Schema } from './schema-type.ts';

/** What is wrong, and where: a JSON pointer (RFC 6901), empty for the value as a whole. */
export type Flaw = { readonly at: string; readonly message: string };

/** The first flaw of `value`, or undefined if it is what the schema describes. */
export function flawOf(schema: Schema, value: unknown, at = ''): Flaw | undefined {
  if (schema.anyOf) return flawOfUnion(schema.anyOf, value, at);
  if (schema.const !== undefined && value !== schema.const) {
    return { at, message: `must be ${JSON.stringify(schema.const)}` };
  }
  switch (schema.type) {
    case 'object':
      return isObject(value) ? flawOfObject(schema, value, at) : wrongType(schema, at);
    case 'array':
      return Array.isArray(value) ? flawOfArray(schema, value, at) : wrongType(schema, at);
    case 'integer':
      return Number.isInteger(value) ? flawOfNumber(schema, value, at) : wrongType(schema, at);
    case 'number':
      return Number.isFinite(value) ? flawOfNumber(schema, value, at) : wrongType(schema, at);
    case 'null':
      return value === null ? undefined : wrongType(schema, at);
    case undefined:
      return undefined;
    default:
      return typeof value === schema.type ? undefined : wrongType(schema, at);
  }
}

const wrongType = ({ type }: Schema, at: string): Flaw => ({
  at,
  message: `must be ${/^[aeio]/.test(type ?? '') ? 'an' : 'a'} ${type}`,
});

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

function flawOfUnion(branches: readonly Schema[], value: unknown, at: string): Flaw | undefined {
  if (branches.some((branch) => !flawOf(branch, value, at))) return undefined;
  const known = branches.map((one) => (one.const ? JSON.stringify(one.const) : one.type));
  return { at, message: `must be one of ${known.join(', ')}` };
}

function flawOfNumber({ minimum }: Schema, value: unknown, at: string): Flaw | undefined {
  if (minimum === undefined || Number(value) >= minimum) return undefined;
  return { at, message: `must be at least ${minimum}` };
}

function flawOfArray(
  { items = {}, maxItems = Number.POSITIVE_INFINITY }: Schema,
  value: readonly unknown[],
  at: string,
): Flaw | undefined {
  if (value.length > maxItems) return { at, message: `must have at most ${maxItems} items` };
  for (const [n, item] of value.entries()) {
    const flaw = flawOf(items, item, `${at}/${n}`);
    if (flaw) return flaw;
  }
  return undefined;
}

function flawOfObject(
  schema: Schema,
  value: Readonly<Record<string, unknown>>,
  at: string,
): Flaw | undefined {
  const { properties = {}, required = [], additionalProperties = true } = schema;
  const names = Object.keys(value);
  const missing = required.find((name) => !Object.hasOwn(value, name));
  if (missing !== undefined) return { at, message: `must have the property '${missing}'` };
  const odd = names.find((name) => !Object.hasOwn(properties, name));
  if (odd !== undefined && !additionalProperties) {
    return { at: `${at}/${pointerPart(odd)}`, message: 'must not be there: it is not known' };
  }
  const flaw = flawOfCount(schema, names.length, at);
  if (flaw) return flaw;
  for (const name of names) {
    const property = Object.hasOwn(properties, name) ? properties[name] : undefined;
    const inner = property && flawOf(property, value[name], `${at}/${pointerPart(name)}`);
    if (inner) return inner;
  }
  return undefined;
}

function flawOfCount(
  { minProperties = 0, maxProperties = Number.POSITIVE_INFINITY }: Schema,
  count: number,
  at: string,
): Flaw | undefined {
  if (count < minProperties) return { at, message: `must have at least ${minProperties} property` };
  if (count > maxProperties) return { at, message: `must have at most ${maxProperties} property` };
  return undefined;
}

const pointerPart = (name: string): string => name.replaceAll('~', '~0').replaceAll('/', '~1');
