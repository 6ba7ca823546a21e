// A fast way to read the most frequent command, a put without a lease. It knows exactly the bytes
// that the generated codec writes for one; anything else is left to that codec, which decides what
// is malformed. Where both read a command they read the same (put-decoder.test.ts).
import { emptyBytes } from '@holdfast/base/bytes';
import type { PutRequest } from '@holdfast/proto/internal';

const putTag = 0x0a;
const keyspaceTag = 0x08;
const keyTag = 0x12;
const valueTag = 0x1a;
const prevKvTag = 0x28;

/**
 * The put in the encoded Command that stands from `from` to `to`; undefined where the generated
 * codec has to look.
 */
export function decodePlainPut(bytes: Uint8Array, from: number, to: number) {
  return bytes[from] === putTag ? reader.read(bytes, from + 1, to) : undefined;
}

/** One for all: it is done with a put before it is given another one. */
class PutReader {
  #bytes: Uint8Array = emptyBytes;
  #at = 0;
  #end = 0;

  /** Fields in the order of their numbers, each once at most, and nothing behind them. */
  read(bytes: Uint8Array, from: number, to: number): PutRequest | undefined {
    this.#bytes = bytes;
    this.#at = from;
    this.#end = to;
    if (this.#number() !== to - this.#at) return undefined;
    const keyspace = this.#takes(keyspaceTag) ? this.#number() : 0;
    const key = this.#takes(keyTag) ? this.#slice() : emptyBytes;
    const value = this.#takes(valueTag) ? this.#slice() : emptyBytes;
    const prevKv = this.#takes(prevKvTag) && this.#number() !== 0;
    if (this.#at !== to || keyspace < 0 || !key || !value) return undefined;
    return { keyspace, key, value, lease: 0n, prevKv, ignoreValue: false, ignoreLease: false };
  }

  #takes(tag: number): boolean {
    if (this.#at >= this.#end || this.#bytes[this.#at] !== tag) return false;
    this.#at += 1;
    return true;
  }

  /** A varint of at most four bytes, or -1. */
  #number(): number {
    let value = 0;
    for (let shift = 0; shift < 28; shift += 7) {
      const byte = this.#at < this.#end ? (this.#bytes[this.#at] as number) : 0x80;
      this.#at += 1;
      value |= (byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
    return -1;
  }

  #slice(): Uint8Array | undefined {
    const length = this.#number();
    const from = this.#at;
    if (length < 0 || from + length > this.#end) return undefined;
    this.#at += length;
    return this.#bytes.subarray(from, this.#at);
  }
}

const reader = new PutReader();
