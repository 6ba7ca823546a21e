// The small pieces under every format: counters beyond 32 bits, and zeros at any alignment.
import { describe, expect, it } from 'vitest';
import { endOfContent, getCounter, isZero, putCounter, viewOf } from './byte-codec.ts';

describe('counters', () => {
  it('come back exactly up to 2^53 - 1', () => {
    const bytes = new Uint8Array(8);
    for (const value of [0, 1, 2 ** 31, 2 ** 32 - 1, 2 ** 32, 2 ** 32 + 1, 2 ** 53 - 1]) {
      putCounter(viewOf(bytes), 0, value);
      expect(getCounter(viewOf(bytes), 0)).toBe(value);
      expect(viewOf(bytes).getBigUint64(0, true)).toBe(BigInt(value));
    }
  });
});

describe('zeros', () => {
  it('are found at any offset and length, and one bit anywhere breaks them', () => {
    for (let shift = 0; shift < 9; shift += 1) {
      for (let length = 0; length < 40; length += 1) {
        const bytes = new Uint8Array(64).fill(0xff).subarray(shift, shift + length + 2);
        bytes.fill(0, 1, length + 1);
        expect(isZero(bytes, 1, length + 1)).toBe(true);
        for (let at = 1; at <= length; at += 1) {
          bytes[at] = 0x80;
          expect(isZero(bytes, 1, length + 1)).toBe(false);
          expect(endOfContent(bytes.subarray(1, length + 1))).toBe(at);
          bytes[at] = 0;
        }
      }
    }
  });
});
