// Goal: what a server says in the head of an answer is read as it was meant, however it is written,
// and what cannot be read is never taken for something else. Method: the examples of RFC 7541.
import { describe, expect, it } from 'vitest';

import { decodeHeaders, huffmanText, requestHeads } from './hpack.ts';

const bytes = (hex: string): Buffer => Buffer.from(hex.replaceAll(' ', ''), 'hex');
const fields = (hex: string): unknown => [...decodeHeaders(bytes(hex))];

describe('the Huffman code', () => {
  it('reads the examples of the standard', () => {
    expect(huffmanText(bytes('f1e3 c2e5 f23a 6ba0 ab90 f4ff'))).toBe('www.example.com');
    expect(huffmanText(bytes('25a8 49e9 5ba9 7d7f'))).toBe('custom-key');
    expect(huffmanText(bytes('d07a be94 1054 d444 a820 0595 040b 8166 e082 a62d 1bff'))).toBe(
      'Mon, 21 Oct 2013 20:13:21 GMT',
    );
  });

  it('reads its longest codes: a line feed, byte 255, and byte 249', () => {
    expect(huffmanText(bytes('fffffff3'))).toBe('\n');
    expect(huffmanText(bytes('fffffbbf'))).toBe('\xff');
    expect(huffmanText(bytes('ffffffef'))).toBe('\xf9');
  });

  it('refuses the mark of the end, and padding that is none', () => {
    expect(() => huffmanText(bytes('ffffffff'))).toThrow('no Huffman code');
    expect(() => huffmanText(bytes('f1e3 c2e5 f23a 6ba0 ab90 f4fe'))).toThrow();
    expect(() => huffmanText(bytes('f1e3 c2e5 f23a 6ba0 ab90 f4ff ff'))).toThrow();
  });
});

describe('a block of headers', () => {
  it('has names and values by index, as text and in Huffman code', () => {
    expect(fields('88 5f 10 6170706c69636174696f6e2f67727063')).toEqual([
      [':status', '200'],
      ['content-type', 'application/grpc'],
    ]);
    expect(fields('40 88 25a849e95ba97d7f 89 25a849e95bb8e8b4bf')).toEqual([
      ['custom-key', 'custom-value'],
    ]);
    expect(fields('00 01 61 01 62')).toEqual([['a', 'b']]);
    expect(fields('10 01 61 00')).toEqual([['a', '']]);
  });

  it('may begin with a table of no bytes, and with no other', () => {
    expect(fields('20 88')).toEqual([[':status', '200']]);
    expect(() => fields('3f e1 1f 88')).toThrow('table');
  });

  it('is refused where it leans on what was not allowed, or is cut short', () => {
    expect(() => fields('be')).toThrow('index 62');
    expect(() => fields('80')).toThrow('index 0');
    expect(() => fields('00 05 61')).toThrow('cut short');
    expect(() => fields('00 7f')).toThrow('cut short');
    expect(() => fields('7f ff ff ff ff ff ff ff')).toThrow('bounds');
  });

  it('reads lengths of more than one byte', () => {
    const long = 'v'.repeat(300);
    const block = Buffer.concat([bytes('00 01 61 7f ad 01'), Buffer.from(long)]);
    expect(decodeHeaders(block).get('a')).toBe(long);
  });
});

it('writes the head of a call once, and by index from then on', () => {
  const { first, next } = requestHeads({ path: '/a.B/C', authority: 'h:1' });
  expect([...next]).toEqual([0x83, 0x86, 0xc1, 0xc0, 0xbf, 0xbe]);
  expect([...decodeHeaders(first)]).toEqual([
    [':method', 'POST'],
    [':scheme', 'http'],
    [':path', '/a.B/C'],
    [':authority', 'h:1'],
    ['content-type', 'application/grpc'],
    ['te', 'trailers'],
  ]);
  expect(() => requestHeads({ path: '/'.repeat(200), authority: 'h:1' })).toThrow('too long');
});
