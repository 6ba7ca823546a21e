// Goal: events are the same however the bytes are cut. Method: every cut of one stream into three.
import { utf8 } from '@holdfast/base/bytes';
import { describe, expect, it } from 'vitest';

import { SseParser } from './sse-parser.ts';

const text =
  ': hello\n\nid: 7\nevent: put\ndata: {"a":\ndata: "é"}\n\nid:8\r\ndata:x\r\n\r\ndata: y\n\n';
const expected = [
  { type: 'put', data: '{"a":\n"é"}', id: '7' },
  { type: 'message', data: 'x', id: '8' },
  { type: 'message', data: 'y', id: undefined },
];

describe('SseParser', () => {
  it('finds the same events however the stream is cut', () => {
    const bytes = utf8(text);
    for (let first = 0; first <= bytes.length; first += 1) {
      for (let second = first; second <= bytes.length; second += 1) {
        const parser = new SseParser(1_000);
        const events = [
          ...parser.push(bytes.slice(0, first)),
          ...parser.push(bytes.slice(first, second)),
          ...parser.push(bytes.slice(second)),
        ];
        expect(events).toEqual(expected);
      }
    }
  });

  it('refuses an event without end', () => {
    const parser = new SseParser(100);
    const part = utf8(`data: ${'x'.repeat(60)}`);
    parser.push(part);
    expect(() => parser.push(part)).toThrow('larger than 100 bytes');
  });
});
