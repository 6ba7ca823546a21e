// Byte strings: order, equality, text. Keys are byte strings everywhere; text is for people.

const encoder = new TextEncoder();
// A byte order mark is a character like any other: bytes that become text come back as they were.
const decoder = new TextDecoder('utf-8', { fatal: false, ignoreBOM: true });
const strictDecoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

export const emptyBytes = new Uint8Array(0);

export const utf8 = (text: string): Uint8Array => encoder.encode(text);

/** Text for display: bytes that are not UTF-8 become replacement characters. */
export const toText = (bytes: Uint8Array): string => decoder.decode(bytes);

/** Text, or undefined where the bytes are not UTF-8. */
export function toTextStrict(bytes: Uint8Array): string | undefined {
  try {
    return strictDecoder.decode(bytes);
  } catch {
    return undefined; // Not UTF-8 is an answer here, not a failure.
  }
}

/** Negative, zero or positive, in byte order; a prefix sorts before what it begins. */
export function compareBytes(a: Uint8Array, b: Uint8Array): number {
  const shared = Math.min(a.length, b.length);
  for (let at = 0; at < shared; at += 1) {
    const difference = (a[at] as number) - (b[at] as number);
    if (difference !== 0) return difference;
  }
  return a.length - b.length;
}

export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && compareBytes(a, b) === 0;
}

export function concatBytes(...parts: readonly Uint8Array[]): Uint8Array {
  let length = 0;
  for (const part of parts) length += part.length;
  const whole = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/**
 * The end of the half-open range of all keys that begin with `prefix`. The empty prefix, and one of
 * 0xff bytes alone, have no end: the answer is then a single zero byte, etcd's sign for "to the
 * last key".
 */
export function prefixEnd(prefix: Uint8Array): Uint8Array {
  for (let at = prefix.length - 1; at >= 0; at -= 1) {
    const byte = prefix[at] as number;
    if (byte < 0xff) {
      const end = prefix.slice(0, at + 1);
      end[at] = byte + 1;
      return end;
    }
  }
  return new Uint8Array([0]);
}
