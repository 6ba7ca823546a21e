// Goal: long whole numbers keep their digits, and nothing else is read otherwise than JSON.parse
// does. Method: generated documents with such numbers among them, and broken ones, both parsers.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { digitsOf, parseExactly } from './exact-json.ts';

/** A document, and what it means: each long number as a bigint. */
type Document = { readonly text: string; readonly value: unknown };

const documentOf = (value: unknown): Document => ({ text: JSON.stringify(value), value });
const long = fc
  .bigInt({ min: 10n ** 15n, max: 2n ** 80n })
  .chain((one) => fc.constantFrom(one, -one))
  .map((value): Document => ({ text: String(value), value }));
const short = fc.jsonValue({ maxDepth: 0 }).filter((one) => !/^-?\d{16}/.test(JSON.stringify(one)));
const looksLong = fc
  .constantFrom('1234567890123456789', '":1234567890123456', '\\1234567890123456"', '{"\u0000":')
  .map(documentOf);

const { tree } = fc.letrec<{ readonly tree: Document }>((tie) => ({
  tree: fc.oneof(
    { depthSize: 'small' },
    short.map((one) => documentOf(JSON.parse(JSON.stringify(one)))),
    long,
    looksLong,
    fc.array(tie('tree'), { maxLength: 4 }).map((all) => ({
      text: `[${all.map(({ text }) => text).join(', ')}]`,
      value: all.map(({ value }) => value),
    })),
    fc.array(fc.tuple(fc.string(), tie('tree')), { maxLength: 4 }).map((all) => ({
      text: `{${all.map(([key, { text }]) => `${JSON.stringify(key)}:${text}`).join()}}`,
      value: Object.fromEntries(all.map(([key, { value }]) => [key, value])),
    })),
  ),
}));

/** Long numbers as bigints, as in a Document. */
function read(value: unknown): unknown {
  const digits = digitsOf(value);
  if (digits !== undefined) return BigInt(digits);
  if (Array.isArray(value)) return value.map(read);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, read(one)]));
}

const fails = (parse: () => unknown): boolean => {
  try {
    parse();
    return false;
  } catch {
    return true; // Which it is, is the question here.
  }
};

describe('exact JSON', () => {
  it('keeps the digits of long whole numbers, wherever they stand', () => {
    fc.assert(
      fc.property(tree, ({ text, value }) => {
        expect(read(parseExactly(text))).toEqual(value);
      }),
      { numRuns: 1000 },
    );
  });

  it('refuses what JSON.parse refuses, and no more', () => {
    const spoilt = fc
      .tuple(
        tree,
        fc.nat(),
        fc.constantFrom('"', '\\', '-', '.', 'e', '0', '}', '1234567890123456'),
      )
      .map(([{ text }, at, noise]) => {
        const place = at % (text.length + 1);
        return text.slice(0, place) + noise + text.slice(place + (at % 2));
      });
    fc.assert(
      fc.property(spoilt, (text) => {
        expect(fails(() => parseExactly(text))).toBe(fails(() => JSON.parse(text)));
      }),
      { numRuns: 2000 },
    );
  });

  it('leaves numbers with a fraction or an exponent to JSON.parse', () => {
    const texts = ['1234567890123456.5', '1234567890123456789e3', '-0', '0.12345678901234567'];
    for (const text of texts) expect(parseExactly(text)).toBe(JSON.parse(text));
    expect(digitsOf(parseExactly('-7587874396297832453'))).toBe('-7587874396297832453');
    for (const value of [undefined, null, 'x', {}, [], { '\u0000': 5 }]) {
      expect(digitsOf(value)).toBeUndefined();
    }
  });
});
