// Goal: every answer is counted once, however the bytes are cut, and one that is not understood is
// an error. Method: every cut of a stream of pipelined answers into two.
import { describe, expect, it } from 'vitest';

import { Histogram } from './histogram.ts';
import { parseMetrics } from './metrics.ts';
import { RequestWriter } from './request-writer.ts';
import { ResponseParser } from './response-parser.ts';

const stream = Buffer.from(
  'HTTP/1.1 200 OK\r\nX: y\r\nContent-Length: 5\r\n\r\nHTTP/' +
    'HTTP/1.1 503 Busy\r\ncontent-length:0\r\n\r\n' +
    'HTTP/1.1 204 No Content\r\n\r\n' +
    'HTTP/1.1 201 Made\r\nContent-Length: 2\r\n\r\n\r\n',
);

describe('ResponseParser', () => {
  it('finds the same answers however they are cut', () => {
    for (let cut = 0; cut <= stream.length; cut += 1) {
      const statuses: number[] = [];
      const parser = new ResponseParser((status) => statuses.push(status));
      parser.push(stream.subarray(0, cut));
      parser.push(stream.subarray(cut));
      expect(statuses).toEqual([200, 503, 204, 201]);
    }
  });

  it('refuses an answer whose end it cannot know', () => {
    const parser = new ResponseParser(() => undefined);
    const chunked = 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n';
    expect(() => parser.push(Buffer.from(chunked))).toThrow('without a length');
  });
});

describe('RequestWriter', () => {
  it('writes whole requests with keys in turn', () => {
    const plan = { kind: 'put', by: 'http', keys: 3, valueBytes: 4 } as const;
    const text = new RequestWriter(plan, 'h:1', 1).take(3).toString();
    expect(text.match(/bench-\d{8}/g)).toEqual([
      'bench-00000001',
      'bench-00000002',
      'bench-00000000',
    ]);
    expect(text.match(/Content-Length: 4\r\n\r\nvvvv/g)).toHaveLength(3);
  });
});

describe('Histogram', () => {
  it('gives quantiles within two percent', () => {
    const histogram = new Histogram();
    for (let value = 1; value <= 10_000; value += 1) histogram.record(value / 100);
    for (const [fraction, ms] of [
      [0.5, 50],
      [0.99, 99],
    ] as const) {
      expect(Math.abs(histogram.quantile(fraction) / ms - 1)).toBeLessThan(0.02);
    }
    expect(new Histogram().quantile(0.5)).toBe(0);
  });
});

describe('parseMetrics', () => {
  it('sums over labels and drops the prefix', () => {
    const text = '# HELP a b\nholdfast_x_total{m="1"} 2\nholdfast_x_total{m="2"} 3\ny 1e3\n';
    expect(Object.fromEntries(parseMetrics(text))).toEqual({ x_total: 5, y: 1_000 });
  });
});
