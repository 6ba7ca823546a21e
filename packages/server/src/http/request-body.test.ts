// Goal: a body is whole however it comes, and costs no more memory than its bytes. Method: requests
// that are made by hand, of pieces down to a byte.
import { EventEmitter } from 'node:events';
import type { IncomingMessage } from 'node:http';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { heldObjects } from '../held-memory.fixture.ts';
import { GrowingBytes } from './growing-bytes.ts';
import { readBody } from './request-body.ts';

function requestOf(headers: Readonly<Record<string, string>> = {}): IncomingMessage {
  return Object.assign(new EventEmitter(), { headers }) as unknown as IncomingMessage;
}

describe('a body', () => {
  it('of pieces of a byte costs what its bytes do, not what its pieces do', () => {
    const request = requestOf();
    const bytes = 500_000;
    let whole: Buffer | undefined;
    readBody(request, bytes, (_error, body) => {
      whole = body;
    });
    const before = heldObjects();
    for (let at = 0; at < bytes; at += 1) request.emit('data', Buffer.alloc(1, at));
    // Its pieces alone are more than fifty million.
    expect(heldObjects() - before).toBeLessThan(5_000_000);
    request.emit('end');
    expect(whole?.length).toBe(bytes);
    expect(whole?.[256 + 7]).toBe(7);
  });
});

describe('bytes that grow', () => {
  it('are all that were pushed, in order, and are forgotten when they are taken', () => {
    const growing = new GrowingBytes();
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 3000 }), { maxLength: 20 }), (pieces) => {
        for (const piece of pieces) growing.push(piece);
        const whole = Buffer.concat(pieces);
        expect(growing.length).toBe(whole.length);
        expect(growing.take().equals(whole)).toBe(true);
        expect(growing.length).toBe(0);
      }),
    );
  });

  it('leave the first piece as it was, and copy none that is alone', () => {
    const growing = new GrowingBytes();
    const first = Buffer.from('first');
    growing.push(first);
    growing.push(Buffer.from('second'));
    expect(`${growing.take().toString()} ${first.toString()}`).toBe('firstsecond first');
    growing.push(first);
    expect(growing.take().buffer).toBe(first.buffer);
  });
});
