// Goal: a range that goes on behind a key begins with a key, behind it and before all that follow.
import { describe, expect, it } from 'vitest';

import { keyAfter, keyBytesMax } from './key.ts';

const key = (length: number, ...last: readonly number[]): Uint8Array => {
  const bytes = new Uint8Array(length).fill(0x61);
  bytes.set(last, length - last.length);
  return bytes;
};

describe('the key after another one', () => {
  it('has a zero byte more', () => {
    expect(keyAfter(Uint8Array.of(1, 2))).toEqual(Uint8Array.of(1, 2, 0));
    expect(keyAfter(key(keyBytesMax - 1))).toHaveLength(keyBytesMax);
  });

  it('is no longer than a key may be', () => {
    expect(keyAfter(key(keyBytesMax))).toEqual(key(keyBytesMax, 0x62));
    expect(keyAfter(key(keyBytesMax, 7, 0xff, 0xff))).toEqual(key(keyBytesMax - 2, 8));
    expect(keyAfter(new Uint8Array(keyBytesMax).fill(0xff))).toBeUndefined();
  });
});
