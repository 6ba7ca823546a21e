// Goal: every format keeps the one contract: sound documents pass, others are refused with the line
// and column of their fault, and no input whatever makes a checker crash, hang or throw anything
// else.
import { concatBytes, utf8 } from '@holdfast/base/bytes';
import { HoldfastError } from '@holdfast/base/errors';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type ConfigFormat, checkContent, configFormats, contentBytesMax } from '../format.ts';

type Place = readonly [document: string, line: number, column: number];
type Sample = { readonly sound: readonly string[]; readonly faulty: readonly Place[] };

const deep = (open: string, close: string, count: number): string =>
  open.repeat(count) + close.repeat(count);

const samples: Readonly<Record<Exclude<ConfigFormat, 'text'>, Sample>> = {
  json: {
    sound: ['{}', '[1, -2.5e3, "\\u00e9", null]', ' "text" ', deep('[', ']', 200), '{"a":1,"a":2}'],
    faulty: [
      ['', 1, 1],
      ['{\n  "a": 1,\n}', 3, 1],
      ['{"a": 1} x', 1, 10],
      ['// comment\n{}', 1, 1],
      ['[1, 2', 1, 6],
      ['{"a" 1}', 1, 6],
      ['[1 2]', 1, 4],
      ["{'a': 1}", 1, 2],
      ['["a\tb"]', 1, 2],
      ['[01]', 1, 2],
      ['[1,]', 1, 4],
      ['["\\u12"]', 1, 2],
      ['{"a":}', 1, 6],
      ['[NaN]', 1, 2],
      [deep('[', ']', 201), 1, 201],
      [deep('{"a":[', ']}', 120).replace(/\]\}$/, ''), 1, 601],
    ],
  },
  yaml: {
    sound: [
      '',
      'a: 1\nb: [1, 2]\n',
      '---\na: 1\n---\nb: 2\n',
      'a: &x 1\nb: *x\n',
      'base: &b {a: 1}\nc:\n  <<: *b\n  <<: *b\n',
      'key: !Ref thing\n',
      '# only a comment\n',
      'text: |\n  [[[[[ {{{{\n',
      'a: 1\r\nb:\r\n  - 2\r\n',
    ],
    faulty: [
      ['a: [1, 2\nb: 3', 2, 1],
      ['a:\n\tb: 1', 2, 1],
      ['a:\n  b: 1\n c: 2', 3, 2],
      ['a: 1\nb: 2\na: 3', 3, 1],
      ['a: *missing', 1, 5],
      ['a: &x 1\n---\nb: *x', 3, 5],
      ['a: "open', 1, 9],
      [deep('[', ']', 201), 1, 200],
    ],
  },
  toml: {
    sound: ['', 'a = 1\n[b]\nc = ["x", "y"]\n', '[[d]]\n[[d]]\n', 'when = 1979-05-27T07:32:00Z'],
    faulty: [
      ['a = 1\nb = = 2', 2, 5],
      ['a = 1\na = 2', 2, 1],
      ['[a\nb = 1', 1, 3],
      ['a = nothing', 1, 5],
    ],
  },
  properties: {
    sound: [
      '',
      'a=b\nc : d\ne f\ng',
      '# \\u in a comment\n! \\u there too\n',
      'a=\\u00e9\\\n  more',
      'path=C:\\\\users',
      'a=\\q',
    ],
    faulty: [
      ['a=1\nb=\\u12G4', 2, 3],
      ['a=\\u', 1, 3],
      ['a=x\\\n  # no comment \\u1', 2, 16],
      ['a=x\\\r\n  # no comment \\u1', 2, 16],
    ],
  },
  xml: {
    sound: [
      '<a/>',
      '<?xml version="1.0"?>\n<!-- c -->\n<a b="1">&amp;&#65;<![CDATA[<]]></a>\n',
      '<!DOCTYPE a [<!ENTITY x "y">]><a>&x;</a>',
      '<!DOCTYPE a SYSTEM "a.dtd"><a>&elsewhere;</a>',
    ],
    faulty: [
      ['', 1, 1],
      ['<a>\n  <b>\n</a>', 3, 4],
      ['<a/><b/>', 1, 7],
      ['<a/>tail', 1, 8],
      ['<a>&unknown;</a>', 1, 12],
      ['<a b="1" b="2"/>', 1, 16],
      ['<a b=1/>', 1, 6],
      ['<a>\u0001</a>', 1, 4],
      ['<a b="<"/>', 1, 7],
    ],
  },
};

const checked = Object.entries(samples) as [Exclude<ConfigFormat, 'text'>, Sample][];

function faultOf(content: Uint8Array, format: ConfigFormat): HoldfastError | undefined {
  try {
    checkContent(content, format);
    return undefined;
  } catch (error) {
    if (error instanceof HoldfastError) return error;
    throw error;
  }
}

const vocabulary = [
  '{',
  '}',
  '[',
  ']',
  ':',
  ': ',
  '- ',
  '? ',
  ',',
  '"',
  "'",
  '\n',
  '\t',
  ' ',
  '&a ',
]
  .concat([
    '*a',
    '!x ',
    '|',
    '>',
    '#',
    '<a>',
    '</a>',
    '<!--',
    '-->',
    '<![CDATA[',
    '<!DOCTYPE a [',
    '&',
  ])
  .concat([
    '\\',
    '\\u',
    '=',
    '%',
    '---\n',
    '...',
    '\r',
    '\r\n',
    '\u0000',
    '\ufeff',
    '1',
    'é',
    'a=',
  ]);

/** What any of the formats takes for the end of a line. */
const lineEnd = /\r\n|[\n\r\u0085\u2028]/;

/** A quarter of the limit: quadratic work would show, and the suite stays short. */
const hostileBytes = contentBytesMax / 4;

/** Each is repeated many times: nesting, anchors, tags, errors by the hundred thousand. */
const hostile = [
  '[',
  '{',
  '{"a":',
  '- ',
  '? ',
  ': ',
  '&a ',
  '*a ',
  '! ',
  '[a,',
  '<a>',
  '</a>',
  '<!',
]
  .concat([
    '<!--',
    '&',
    '\\',
    '\\u',
    '"',
    "'",
    '\n',
    '\r',
    '#\n',
    'a:\n',
    'a: ',
    'a=',
    '[a]\n',
    '---\n',
  ])
  .concat(['{a: ', 'a.', '<!ENTITY a ', '<a a="', '\u0000', 'é', '[[a]]\n', '"""', "'''\n", '%\n']);

describe.each(checked)('%s', (format, { sound, faulty }) => {
  it.each(sound)('takes %j', (document) => {
    expect(faultOf(utf8(document), format)).toBeUndefined();
  });

  it.each(faulty)('refuses %j at line %i, column %i', (document, line, column) => {
    const fault = faultOf(utf8(document), format);
    expect(fault?.code).toBe('invalid-argument');
    expect(fault?.details).toMatchObject({ format, line, column });
    expect(fault?.message).toContain(`line ${line}, column ${column}`);
  });

  it('takes a byte order mark, and counts columns behind it', () => {
    const mark = new Uint8Array([0xef, 0xbb, 0xbf]);
    const [document, line, column] = faulty.at(-1) as Place;
    expect(faultOf(concatBytes(mark, utf8(sound.at(-1) ?? '')), format)).toBeUndefined();
    const fault = faultOf(concatBytes(mark, utf8(document)), format);
    expect(fault?.details).toMatchObject({ line, column });
  });

  it('refuses bytes that are not UTF-8, with their place', () => {
    for (const bad of [
      [0xff],
      [0xc0, 0x80],
      [0xed, 0xa0, 0x80],
      [0xf4, 0x90, 0x80, 0x80],
      [0xe2],
    ]) {
      const content = concatBytes(utf8('# é\n# '), new Uint8Array(bad));
      expect(faultOf(content, format)?.details).toMatchObject({ format, line: 2, column: 3 });
    }
  });

  it('answers any text with a pass or a place inside it', () => {
    const pieces = fc.array(
      fc.constantFrom(...vocabulary, ...sound, ...faulty.map(([one]) => one)),
    );
    const texts = fc.oneof(
      fc.string(),
      fc.string({ unit: 'binary' }),
      pieces.map((p) => p.join('')),
    );
    fc.assert(
      fc.property(texts, (text) => {
        const details = faultOf(utf8(text), format)?.details;
        if (!details) return;
        const lines = text.replace(/^\ufeff/, '').split(lineEnd).length;
        expect(details.line).toBeGreaterThanOrEqual(1);
        expect(details.line).toBeLessThanOrEqual(lines + 1);
        expect(details.column).toBeGreaterThanOrEqual(1);
      }),
      { numRuns: 150 },
    );
  });

  it('answers any bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => void faultOf(bytes, format)),
      { numRuns: 100 },
    );
  });

  it.each(hostile)('survives a large document of %j', (piece) => {
    const content = utf8(piece.repeat(Math.floor(hostileBytes / utf8(piece).length)));
    faultOf(content, format);
  });
});

describe('checkContent', () => {
  it('takes any bytes as text', () => {
    fc.assert(fc.property(fc.uint8Array(), (bytes) => faultOf(bytes, 'text') === undefined));
  });

  it.each(configFormats)('refuses %s beyond the limit, which it names', (format) => {
    const fault = faultOf(new Uint8Array(contentBytesMax + 1).fill(0x20), format);
    expect(fault?.code).toBe('too-large');
    expect(fault?.details).toEqual({ bytes: contentBytesMax + 1, limitBytes: contentBytesMax });
  });

  it('passes every JSON value that exists, and finds a place in each that was cut', () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 6 }), fc.nat(), (value, cut) => {
        const text = JSON.stringify([value]);
        expect(faultOf(utf8(text), 'json')).toBeUndefined();
        const shorter = text.slice(0, cut % text.length);
        expect(faultOf(utf8(shorter), 'json')?.details).toMatchObject({ line: 1 });
      }),
    );
  });
});
