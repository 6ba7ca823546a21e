// A fast way to write the most frequent command, a put without a lease: exactly the bytes that the
// generated codec writes for one (put-encoder.test.ts), in a buffer of the right size from the
// start.
import type { PutRequest } from './generated/holdfast/internal.ts';

const putTag = 0x0a;
const keyspaceTag = 0x08;
const keyTag = 0x12;
const valueTag = 0x1a;
const prevKvTag = 0x28;

/** Longer numbers than these are left to the codec: 28 bits, in four bytes at most. */
const numberMax = 0x0fffffff;

/** The bytes of a Command with that put, behind a prefix; undefined: the codec has to write it. */
export function encodePlainPut(request: PutRequest, prefix: Uint8Array): Uint8Array | undefined {
  const { keyspace, key, value, lease, prevKv, ignoreValue, ignoreLease } = request;
  if (lease !== 0n || ignoreValue || ignoreLease || keyspace > numberMax) return undefined;
  const length =
    (keyspace === 0 ? 0 : 1 + numberBytes(keyspace)) +
    fieldBytes(key) +
    fieldBytes(value) +
    (prevKv ? 2 : 0);
  if (length > numberMax) return undefined;
  const bytes = new Uint8Array(prefix.length + 1 + numberBytes(length) + length);
  bytes.set(prefix);
  let at = writeNumber(bytes, prefix.length, { tag: putTag, number: length });
  if (keyspace !== 0) at = writeNumber(bytes, at, { tag: keyspaceTag, number: keyspace });
  at = writeField(bytes, at, { tag: keyTag, field: key });
  at = writeField(bytes, at, { tag: valueTag, field: value });
  if (prevKv) writeNumber(bytes, at, { tag: prevKvTag, number: 1 });
  return bytes;
}

/** An empty field is left out. */
const fieldBytes = ({ length }: Uint8Array): number =>
  length === 0 ? 0 : 1 + numberBytes(length) + length;

function numberBytes(number: number): number {
  if (number < 0x80) return 1;
  if (number < 0x4000) return 2;
  return number < 0x200000 ? 3 : 4;
}

function writeField(
  bytes: Uint8Array,
  at: number,
  { tag, field }: { readonly tag: number; readonly field: Uint8Array },
): number {
  if (field.length === 0) return at;
  const from = writeNumber(bytes, at, { tag, number: field.length });
  bytes.set(field, from);
  return from + field.length;
}

/** A tag and a number; answers what follows them. */
function writeNumber(
  bytes: Uint8Array,
  at: number,
  { tag, number }: { readonly tag: number; readonly number: number },
): number {
  bytes[at] = tag;
  let [to, rest] = [at + 1, number];
  for (; rest > 0x7f; rest >>>= 7) {
    bytes[to] = (rest & 0x7f) | 0x80;
    to += 1;
  }
  bytes[to] = rest;
  return to + 1;
}
