// The bytes of a SnapshotChunk, as the generated code writes them, with one copy of the data
// instead of three, and in memory that is used again: a snapshot is the one thing of which a member
// sends gigabytes, and most of what that took was new pages, and the collector's work for them.

const offsetTag = 0x08;
const dataTag = 0x12;
/** Two tags and two numbers of at most ten bytes each. */
const headBytesMax = 22;

/** Writes into `bytes`, which must have the room of `chunkMemory`; answers what it has filled. */
export function encodeSnapshotChunk(
  offset: number,
  data: Uint8Array,
  bytes = chunkMemory(data.length),
): Uint8Array {
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

/** Room for a chunk with so much data. */
export const chunkMemory = (dataBytes: number): Uint8Array =>
  new Uint8Array(headBytesMax + dataBytes);

/**
 * The memory of chunks on their way. What the receiver has consumed has left this process for good,
 * so there is never more of it than a window of bytes and one chunk.
 */
export class ChunkMemories {
  /** With the offset at which their chunks end, in the order in which those were sent. */
  readonly #lent: { readonly end: number; readonly memory: Uint8Array }[] = [];

  /** For a chunk of so many bytes that ends at `end`, the furthest so far. */
  lend(dataBytes: number, end: number, consumed: number): Uint8Array {
    const oldest = this.#lent[0];
    const isBack = oldest !== undefined && oldest.end <= consumed;
    if (isBack) this.#lent.shift();
    const isEnough = isBack && oldest.memory.length >= headBytesMax + dataBytes;
    const memory = isEnough ? oldest.memory : chunkMemory(dataBytes);
    this.#lent.push({ end, memory });
    return memory;
  }
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
