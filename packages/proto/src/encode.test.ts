// Goal: one writer for all leaves no trace of one message in the next, whatever became of the first
// and however long it was. Method: messages one after the other.
import { expect, it } from 'vitest';

import { type Encoder, encode } from './encode.ts';
import { LogId } from './generated/holdfast/peer.ts';

const id = { index: 300, term: 7 };
const alone = LogId.encode(id).finish();

it('encodes as a fresh writer does, behind what shall stand before it', () => {
  for (let times = 0; times < 3; times += 1) expect(encode(LogId, id)).toEqual(alone);
  expect(encode(LogId, id, Uint8Array.of(9, 8))).toEqual(Uint8Array.of(9, 8, ...alone));
});

it('gives each message memory of its own', () => {
  const first = encode(LogId, id);
  const copy = first.slice();
  encode(LogId, { index: 1, term: 1 });
  expect(first).toEqual(copy);
  expect(first.buffer.byteLength).toBe(first.length);
});

it('forgets what was begun and thrown', () => {
  const broken: Encoder<number> = {
    encode: (value, writer) => {
      writer.uint32(value);
      throw new RangeError('half-way');
    },
  };
  expect(() => encode(broken, 5, Uint8Array.of(1, 2, 3))).toThrow('half-way');
  expect(encode(LogId, id)).toEqual(alone);
});

it('keeps no writer that has grown long', () => {
  const long: Encoder<number> = {
    encode: (bytes, writer) => writer.raw(new Uint8Array(bytes)),
  };
  expect(encode(long, 3 * 1024 * 1024).length).toBe(3 * 1024 * 1024);
  expect(encode(LogId, id)).toEqual(alone);
});
