// Keys as the store compares them. A key is a byte string; inside the store it is a text of the
// same length whose characters are the bytes (Latin-1), because V8 compares such texts natively and
// in byte order. A range is half-open; `hi` undefined means "to the last key of the keyspace".

export type KeyRange = {
  readonly lo: string;
  readonly hi: string | undefined;
  /** The range is the one key `lo`. */
  readonly single: boolean;
};

// Room to turn a key's bytes into text without making a view of them first.
const scratch = Buffer.allocUnsafe(512);

/** The bytes as a text of one character each. */
export function keyText(key: Uint8Array): string {
  if (key.length > scratch.length) {
    return Buffer.from(key.buffer, key.byteOffset, key.length).toString('latin1');
  }
  scratch.set(key);
  return scratch.toString('latin1', 0, key.length);
}

/** What `keyText` was made from. */
export const keyBytes = (text: string): Uint8Array => Buffer.from(text, 'latin1');

/** What etcd means by `key` and `range_end`: empty = one key, one zero byte = from `key` on. */
export function keyRange(key: Uint8Array, rangeEnd: Uint8Array): KeyRange {
  const lo = keyText(key);
  if (rangeEnd.length === 0) return { lo, hi: `${lo}\0`, single: true };
  if (rangeEnd.length === 1 && rangeEnd[0] === 0) return { lo, hi: undefined, single: false };
  return { lo, hi: keyText(rangeEnd), single: false };
}

export const isEmptyRange = (range: KeyRange): boolean =>
  range.hi !== undefined && range.hi <= range.lo;

export const rangeHas = (range: KeyRange, key: string): boolean =>
  key >= range.lo && (range.hi === undefined || key < range.hi);
