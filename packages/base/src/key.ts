// What a key is to all who store keys or page through them: a string of bytes with a bound.
import { concatBytes, prefixEnd } from './bytes.ts';

/** Of a key, and of the end of a range. */
export const keyBytesMax = 16 * 1024;

/**
 * Where a range begins that goes on behind `key`; undefined: no key is behind it. A zero byte more
 * is no key where `key` is as long as one may be.
 */
export function keyAfter(key: Uint8Array): Uint8Array | undefined {
  if (key.length < keyBytesMax) return concatBytes(key, new Uint8Array(1));
  const next = prefixEnd(key);
  return next[0] === 0 ? undefined : next;
}
