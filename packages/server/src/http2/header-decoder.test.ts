// Goal: heads of calls are read as they were meant, however clients write them, and what can not be
// read ends the connection. Method: the examples of RFC 7541, appendix C, and fields at random that
// an encoder of the tests says in every way there is.
import { pick } from '@holdfast/base/random';
import { SeededRandom } from '@holdfast/base/seeded-random';
import { describe, expect, it } from 'vitest';

import { HeaderDecoder } from './header-decoder.ts';
import { encodeHeaders } from './header-encoder.ts';
import type { HeaderList } from './header-list.ts';
import { type Field, huffman, number, TestEncoder, type Way } from './hpack-encoder.fixture.ts';
import { decodeHuffman } from './huffman.ts';

const bytesOf = (hex: string): Buffer => Buffer.from(hex.replaceAll(' ', ''), 'hex');

const said = (list: HeaderList): readonly Field[] =>
  list.fields.map(({ name, value }) => [name, value] as const);

const reader = () => {
  const decoder = new HeaderDecoder();
  return (block: string | Buffer): readonly Field[] => {
    const bytes = typeof block === 'string' ? bytesOf(block) : block;
    return said(decoder.decode(bytes, 0, bytes.length));
  };
};

const get: readonly Field[] = [
  [':method', 'GET'],
  [':scheme', 'http'],
  [':path', '/'],
  [':authority', 'www.example.com'],
];
const custom: readonly Field[] = [
  [':method', 'GET'],
  [':scheme', 'https'],
  [':path', '/index.html'],
  [':authority', 'www.example.com'],
  ['custom-key', 'custom-value'],
];

describe('a block of headers', () => {
  it('is read as in the examples C.2', () => {
    expect(reader()('400a 6375 7374 6f6d 2d6b 6579 0d63 7573 746f 6d2d 6865 6164 6572')).toEqual([
      ['custom-key', 'custom-header'],
    ]);
    expect(reader()('040c 2f73 616d 706c 652f 7061 7468')).toEqual([[':path', '/sample/path']]);
    expect(reader()('1008 7061 7373 776f 7264 0673 6563 7265 74')).toEqual([
      ['password', 'secret'],
    ]);
    expect(reader()('82')).toEqual([[':method', 'GET']]);
  });

  it.each([
    [
      'C.3',
      '8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d',
      '8286 84be 5808 6e6f 2d63 6163 6865',
      '8287 85bf 400a 6375 7374 6f6d 2d6b 6579 0c63 7573 746f 6d2d 7661 6c75 65',
    ],
    [
      'C.4, in the code of Huffman',
      '8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff',
      '8286 84be 5886 a8eb 1064 9cbf',
      '8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf',
    ],
  ])('leans on those before it, as in the examples %s', (_name, first, second, third) => {
    const read = reader();
    expect(read(first)).toEqual(get);
    expect(read(second)).toEqual([...get, ['cache-control', 'no-cache']]);
    expect(read(third)).toEqual(custom);
  });

  it.each([
    [
      'C.5',
      '4803 3330 3258 0770 7269 7661 7465 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a' +
        '3133 3a32 3120 474d 546e 1768 7474 7073 3a2f 2f77 7777 2e65 7861 6d70 6c65 2e63 6f6d',
      '4803 3330 37c1 c0bf',
      '88c1 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3220 474d 54c0' +
        '5a04 677a 6970 7738 666f 6f3d 4153 444a 4b48 514b 425a 584f 5157 454f 5049 5541 5851' +
        '5745 4f49 553b 206d 6178 2d61 6765 3d33 3630 303b 2076 6572 7369 6f6e 3d31',
    ],
    [
      'C.6',
      '4882 6402 5885 aec3 771a 4b61 96d0 7abe 9410 54d4 44a8 2005 9504 0b81 66e0 82a6 2d1b ff6e' +
        '919d 29ad 1718 63c7 8f0b 97c8 e9ae 82ae 43d3',
      '4883 640e ffc1 c0bf',
      '88c1 6196 d07a be94 1054 d444 a820 0595 040b 8166 e084 a62d 1bff c05a 839b d9ab 77ad 94e7' +
        '821d d7f2 e6c7 b335 dfdf cd5b 3960 d5af 2708 7f36 72c1 ab27 0fb5 291f 9587 3160 65c0' +
        '03ed 4ee5 b106 3d50 07',
    ],
  ])('pushes older ones out of a small table, as in the examples %s', (_name, ...blocks) => {
    const read = reader();
    const cacheControl = ['cache-control', 'private'] as const;
    const date = ['date', 'Mon, 21 Oct 2013 20:13:21 GMT'] as const;
    const location = ['location', 'https://www.example.com'] as const;
    // The examples have a table of 256 bytes.
    const first = Buffer.concat([number(256, 5, 0x20), bytesOf(blocks[0] as string)]);
    expect(read(first)).toEqual([[':status', '302'], cacheControl, date, location]);
    expect(read(blocks[1] as string)).toEqual([[':status', '307'], cacheControl, date, location]);
    expect(read(blocks[2] as string)).toEqual([
      [':status', '200'],
      cacheControl,
      ['date', 'Mon, 21 Oct 2013 20:13:22 GMT'],
      location,
      ['content-encoding', 'gzip'],
      ['set-cookie', 'foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1'],
    ]);
  });

  it.each(Array.from({ length: 20 }, (_, seed) => seed))(
    'is what was said, in whatever way, with the table it was said on (seed %i)',
    (seed) => {
      const random = new SeededRandom(seed);
      const encoder = new TestEncoder();
      const read = reader();
      const told: { readonly block: Buffer; readonly fields: readonly Field[] }[] = [];
      for (let at = 0; at < 300; at += 1) {
        const before = JSON.stringify(encoder.table);
        const made = blockOf(random, encoder);
        expect(read(made.block)).toEqual(made.fields);
        // The same again means the same, unless it changes what it means.
        if (before === JSON.stringify(encoder.table)) told.push(made);
        else told.length = 0;
        for (const { block, fields } of told.slice(-6)) expect(read(block)).toEqual(fields);
      }
    },
  );
});

const names = [':path', 'content-type', 'grpc-timeout', 'token', 'x', 'user-agent', 'seal-bin'];
const ways: readonly Way[] = ['kept', 'not kept', 'never kept', 'by index'];

function blockOf(random: SeededRandom, encoder: TestEncoder) {
  const parts: Buffer[] = [];
  const fields: Field[] = [];
  if (random.integer(0, 20) === 0) parts.push(encoder.resize(random.integer(0, 4097)));
  const count = random.integer(1, 8);
  for (let at = 0; at < count; at += 1) {
    // Few values, so that many are in the table; some too large for it.
    const length = random.integer(0, 100) === 0 ? 2050 : random.integer(0, 60);
    const value = String.fromCharCode(97 + random.integer(0, 3), 32 + random.integer(1, 90));
    const field = [pick(random, names), value.repeat(length)] as const;
    fields.push(field);
    parts.push(encoder.field(field, pick(random, ways), random.integer(0, 2) === 0));
  }
  return { block: Buffer.concat(parts), fields };
}

describe('what is no block of headers', () => {
  it.each([
    ['names what is not there', 'be'],
    ['names nothing', '80'],
    ['is cut within a number', '00 7f'],
    ['is cut within a text', '00 05 61'],
    ['is cut before its value', '00 01 61'],
    ['has a number past all bounds', '7f ff ff ff ff ff ff ff'],
    ['asks for a larger table than may be', '3f e2 1f 82'],
    ['changes the table within', '82 20'],
    ['has the mark of the end in its code', '00 84 ff ff ff ff 00'],
    ['pads its code with what is no padding', '00 81 00 00'],
    ['pads its code with more than a byte', '00 82 1f ff 00'],
  ])('that %s ends the connection', (_what, hex) => {
    expect(() => reader()(hex)).toThrow('headers that do not decode');
  });

  it('never makes more than an error of itself', () => {
    const random = new SeededRandom(7);
    for (let at = 0; at < 20_000; at += 1) {
      const length = random.integer(0, 40);
      const bytes = Buffer.from(Array.from({ length }, () => random.integer(0, 256)));
      try {
        reader()(bytes);
      } catch (error) {
        expect(error).toMatchObject({ name: 'Http2Error', code: 9 });
      }
    }
  });

  it('unfolds to no more than a list may come to, and the table stays right', () => {
    const decoder = new HeaderDecoder();
    const kept = new TestEncoder().field(['a', 'x'.repeat(4000)], 'kept', false);
    const bomb = Buffer.concat([kept, Buffer.alloc(20_000, 0x80 | 62)]);
    const list = decoder.decode(bomb, 0, bomb.length);
    expect([list.isTooLarge, list.fields]).toEqual([true, []]);
    expect(decoder.decode(Buffer.of(0x80 | 62), 0, 1).get('a')).toBe('x'.repeat(4000));
  });
});

describe('the code of Huffman', () => {
  it('has all bytes, in texts of every length', () => {
    for (let length = 0; length < 300; length += 1) {
      const text = String.fromCharCode(...Array.from({ length }, (_, at) => (at * 7) & 255));
      const code = huffman(text);
      expect(decodeHuffman(code, 0, code.length)).toBe(text);
    }
  });
});

describe('a request', () => {
  const request: readonly Field[] = [
    [':method', 'POST'],
    [':scheme', 'http'],
    [':path', '/a'],
    ['te', 'trailers'],
  ];
  const isRequest = (fields: readonly Field[]): boolean => {
    const block = Buffer.from(encodeHeaders(fields));
    return new HeaderDecoder().decode(block, 0, block.length).isRequest;
  };

  it('has its method, scheme and path once, before the others', () => {
    expect(isRequest(request)).toBe(true);
    expect(isRequest([...request.slice(0, 3), [':authority', 'http://x'], ['a', 'b']])).toBe(true);
    for (let at = 0; at < 3; at += 1) expect(isRequest(request.toSpliced(at, 1))).toBe(false);
    expect(isRequest([...request.slice(0, 1), ...request])).toBe(false);
    expect(isRequest([...request.slice(3), ...request.slice(0, 3)])).toBe(false);
  });

  it.each([
    [':status', '200'],
    ['Upper', 'a'],
    ['', 'a'],
    ['a b', 'a'],
    ['connection', 'close'],
    ['te', 'gzip'],
    ['a', 'b\r\nc'],
    ['a', ' b'],
  ] as const)('has no field %s: %s', (name, value) => {
    expect(isRequest([...request, [name, value]])).toBe(false);
  });
});
