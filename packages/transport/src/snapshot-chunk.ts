// The bytes of a SnapshotChunk, as the generated code writes them, with one copy of the data
// instead of three: a snapshot is the one thing of which a member sends gigabytes.

const offsetTag = 0x08;
const dataTag = 0x12;
/** Two tags and two numbers of at most ten bytes each. */
const headBytesMax = 22;

export function encodeSnapshotChunk(offset: number, data: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(headBytesMax + data.length);
  let at = 0;
  if (offset > 0) {
    bytes[at] = offsetTag;
    at = putVarint(bytes, at + 1, offset);
  }
  if (data.length > 0) {
    bytes[at] = dataTag;
    at = putVarint(bytes, at + 1, data.length);
    bytes.set(data, at);
  }
  return bytes.subarray(0, at + data.length);
}

/** Answers where the next byte goes. */
function putVarint(bytes: Uint8Array, at: number, value: number): number {
  let [rest, to] = [value, at];
  for (; rest >= 0x80; to += 1) {
    bytes[to] = (rest % 0x80) | 0x80;
    rest = Math.floor(rest / 0x80);
  }
  bytes[to] = rest;
  return to + 1;
}
