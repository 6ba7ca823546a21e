// Headers of HTTP/2 (HPACK, RFC 7541): what a client reads that allows its peer no table
// (SETTINGS_HEADER_TABLE_SIZE = 0), and what it writes. Without a table a block means the same
// whenever it comes, so that one that was seen need not be read again.
import { HeaderTable } from '@holdfast/server/http2/header-table';
import { decodeHuffman } from '@holdfast/server/http2/huffman';

type Field = { readonly name: string; readonly value: string };

/** Nothing is ever put into it: it answers what everybody knows (appendix A). */
const table = new HeaderTable();

/** Throws on what a peer may not send that was allowed no table, and on what is cut short. */
export function decodeHeaders(block: Uint8Array): ReadonlyMap<string, string> {
  const reader = new BlockReader(block);
  const headers = new Map<string, string>();
  while (!reader.isAtEnd) {
    const field = reader.field();
    if (field) headers.set(field.name, field.value);
  }
  return headers;
}

class BlockReader {
  readonly #block: Uint8Array;
  #at = 0;

  constructor(block: Uint8Array) {
    this.#block = block;
  }

  get isAtEnd(): boolean {
    return this.#at === this.#block.length;
  }

  /** Undefined where something else stands there than a field (section 6). */
  field(): Field | undefined {
    const first = this.#block[this.#at] as number;
    if (first & 0x80) return staticField(this.#integer(7));
    if ((first & 0xe0) === 0x20) {
      if (this.#integer(5) !== 0) throw new Error('a table of headers that was not allowed');
      return undefined;
    }
    // With indexing (which nothing can be put into), without, or never: to a reader all the same.
    const index = this.#integer(first & 0x40 ? 6 : 4);
    const name = index === 0 ? this.#text() : staticField(index).name;
    return { name, value: this.#text() };
  }

  #text(): string {
    const isHuffman = ((this.#block[this.#at] ?? 0) & 0x80) !== 0;
    const length = this.#integer(7);
    const bytes = this.#block.subarray(this.#at, this.#at + length);
    if (bytes.length < length) cutShort();
    this.#at += length;
    return isHuffman ? huffmanText(bytes) : Buffer.from(bytes).toString('latin1');
  }

  /** Of so many bits in its first byte (section 5.1). */
  #integer(prefixBits: number): number {
    const mask = 2 ** prefixBits - 1;
    let value = this.#byte() & mask;
    if (value < mask) return value;
    for (let factor = 1; ; factor *= 128) {
      const byte = this.#byte();
      value += (byte & 0x7f) * factor;
      if (byte < 0x80) return value;
      if (factor > 2 ** 28) throw new Error('a header of a length past all bounds');
    }
  }

  #byte(): number {
    const byte = this.#block[this.#at] ?? cutShort();
    this.#at += 1;
    return byte;
  }
}

function staticField(index: number): Field {
  const field = table.at(index);
  if (!field) throw new Error(`a header by index ${index} of a table that was not allowed`);
  return field;
}

/** Throws on what is no such code. */
export function huffmanText(bytes: Uint8Array): string {
  const text = decodeHuffman(bytes, 0, bytes.length);
  if (text === undefined) throw new Error('a header that is no Huffman code');
  return text;
}

function cutShort(): never {
  throw new Error('a block of headers is cut short');
}

export type RequestHead = {
  readonly path: string;
  readonly authority: string;
};

const [methodPost, schemeHttp] = [0x83, 0x86];
/** A literal that the peer keeps in its table: its name by the static table, or new. */
const keptPath = 0x44;
const keptAuthority = 0x41;
const keptContentType = 0x5f;
const keptNew = 0x40;
/** Where the four stand in that table then, the last one first. */
const indexed = [0x80 + 65, 0x80 + 64, 0x80 + 63, 0x80 + 62];

/**
 * The head of a call of gRPC as clients write it: the first of a connection in full, for the peer
 * to keep; all that follow by what it has kept. A connection has one path.
 */
export function requestHeads({ path, authority }: RequestHead): { first: Buffer; next: Buffer } {
  return {
    first: Buffer.concat([
      Buffer.from([methodPost, schemeHttp, keptPath]),
      literal(path),
      Buffer.from([keptAuthority]),
      literal(authority),
      Buffer.from([keptContentType]),
      literal('application/grpc'),
      Buffer.from([keptNew]),
      literal('te'),
      literal('trailers'),
    ]),
    next: Buffer.from([methodPost, schemeHttp, ...indexed]),
  };
}

function literal(text: string): Buffer {
  if (text.length > 126) throw new RangeError(`too long for a header here: ${text}`);
  return Buffer.from(`${String.fromCharCode(text.length)}${text}`, 'latin1');
}
