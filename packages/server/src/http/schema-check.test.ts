// Goal: every kind of schema refuses what it does not describe, names the place, and lets the rest
// pass. Method: one table of bodies for each kind.
import { describe, expect, it } from 'vitest';

import { flawOf } from './schema-check.ts';
import { type Schema, Type } from './schema-type.ts';

const strict = { additionalProperties: false };
const operation = Type.Object(
  { get: Type.Optional(Type.Null()), put: Type.Optional(Type.String()) },
  { ...strict, minProperties: 1, maxProperties: 1 },
);
const body = Type.Object(
  {
    count: Type.Integer({ minimum: 1 }),
    is: Type.Union([Type.Literal('less'), Type.Literal('greater')]),
    ratio: Type.Optional(Type.Number()),
    open: Type.Optional(Type.Boolean()),
    any: Type.Optional(Type.Unknown()),
    list: Type.Optional(Type.Array(operation, { maxItems: 2 })),
  },
  strict,
);
const good = { count: 1, is: 'less' };

describe('a schema', () => {
  it.each([
    good,
    { ...good, ratio: 0.5, open: false, any: { of: ['all'] }, list: [] },
    { ...good, list: [{ get: null }, { put: '' }] },
  ])('lets %j pass', (value) => {
    expect(flawOf(body, value)).toBeUndefined();
  });

  it.each<[unknown, string, string]>([
    [null, '', 'must be an object'],
    [[], '', 'must be an object'],
    [{ is: 'less' }, '', "must have the property 'count'"],
    [{ ...good, 'a/b~': 1 }, '/a~1b~0', 'must not be there: it is not known'],
    [{ ...good, constructor: 1 }, '/constructor', 'must not be there: it is not known'],
    [{ ...good, count: 1.5 }, '/count', 'must be an integer'],
    [{ ...good, count: '1' }, '/count', 'must be an integer'],
    [{ ...good, count: 0 }, '/count', 'must be at least 1'],
    [{ ...good, is: 'equal' }, '/is', 'must be one of "less", "greater"'],
    [{ ...good, ratio: '1' }, '/ratio', 'must be a number'],
    [{ ...good, open: 'yes' }, '/open', 'must be a boolean'],
    [{ ...good, list: {} }, '/list', 'must be an array'],
    [{ ...good, list: [{}] }, '/list/0', 'must have at least 1 property'],
    [{ ...good, list: [{ get: null, put: '' }] }, '/list/0', 'must have at most 1 property'],
    [{ ...good, list: [{ get: null }, { put: 7 }] }, '/list/1/put', 'must be a string'],
    [{ ...good, list: [{ get: 0 }] }, '/list/0/get', 'must be a null'],
    [{ ...good, list: [{}, {}, {}] }, '/list', 'must have at most 2 items'],
  ])('refuses %j', (value, at, message) => {
    expect(flawOf(body, value)).toEqual({ at, message });
  });

  it('is plain JSON, with what may be left out not among what is required', () => {
    const text = JSON.stringify(body);
    expect((JSON.parse(text) as Schema).required).toEqual(['count', 'is']);
    expect(text).not.toContain('optional');
  });
});
