// What clients say in the heads of their calls (HPACK, RFC 7541). A block that changes no table
// means the same until some other one does, and clients say the same blocks again and again: those
// are read once, and known by their bytes.
import { errorCodes, Http2Error } from './frame.ts';
import { HeaderField } from './header-field.ts';
import { HeaderList, listBytesMax } from './header-list.ts';
import { HeaderTable, tableBytesMost } from './header-table.ts';
import { decodeHuffman } from './huffman.ts';

/** Longer blocks are read each time, and no more of them are known at a time. */
const knownBytesMax = 128;
const knownMax = 4;

type Known = { readonly block: Uint8Array; readonly list: HeaderList };

/** Of one connection. */
export class HeaderDecoder {
  readonly #table = new HeaderTable();
  /** Blocks that were read since the table changed last. */
  #known: Known[] = [];
  #knownGeneration = 0;
  #bytes: Buffer = Buffer.alloc(0);
  #at = 0;
  #end = 0;

  /**
   * Of [lo, hi). Throws what ends the connection: the table is not what the client takes it for.
   */
  decode(bytes: Buffer, lo: number, hi: number): HeaderList {
    const known = this.#find(bytes, lo, hi);
    if (known) return known;
    const generation = this.#table.generation;
    this.#bytes = bytes;
    this.#at = lo;
    this.#end = hi;
    this.#resizeTable();
    const list = this.#readFields();
    if (generation === this.#table.generation && hi - lo <= knownBytesMax) {
      this.#remember(Uint8Array.prototype.slice.call(bytes, lo, hi), list);
    }
    return list;
  }

  #find(bytes: Buffer, lo: number, hi: number): HeaderList | undefined {
    if (this.#knownGeneration !== this.#table.generation) {
      this.#known = [];
      this.#knownGeneration = this.#table.generation;
    }
    for (const { block, list } of this.#known) {
      if (block.length === hi - lo && isSame(block, bytes, lo)) return list;
    }
    return undefined;
  }

  #remember(block: Uint8Array, list: HeaderList): void {
    if (this.#known.length === knownMax) this.#known.shift();
    this.#known.push({ block, list });
  }

  /** Only at the beginning of a block (section 4.2). */
  #resizeTable(): void {
    while (this.#at < this.#end && ((this.#bytes[this.#at] as number) & 0xe0) === 0x20) {
      const bytesMax = this.#integer(0x1f);
      if (bytesMax > tableBytesMost) broken('a table larger than it may be');
      this.#table.resize(bytesMax);
    }
  }

  #readFields(): HeaderList {
    const fields: HeaderField[] = [];
    let bytes = 0;
    while (this.#at < this.#end) {
      const field = this.#field();
      bytes += field.bytes;
      // To be read to its end all the same: what follows it leans on the table.
      if (bytes <= listBytesMax) fields.push(field);
    }
    return new HeaderList(bytes <= listBytesMax ? fields : [], bytes);
  }

  #field(): HeaderField {
    const first = this.#bytes[this.#at] as number;
    if (first & 0x80) return this.#entry(this.#integer(0x7f));
    const isKept = (first & 0x40) !== 0;
    if (!isKept && first & 0x20) broken('a change of the table within a block');
    const index = this.#integer(isKept ? 0x3f : 0x0f);
    const name = index === 0 ? this.#text() : this.#entry(index).name;
    const field = new HeaderField(name, this.#text());
    if (isKept) this.#table.add(field);
    return field;
  }

  #entry(index: number): HeaderField {
    return this.#table.at(index) ?? broken(`no field ${index} in the table`);
  }

  #text(): string {
    const isHuffman = ((this.#bytes[this.#at] as number) & 0x80) !== 0;
    const length = this.#integer(0x7f);
    const lo = this.#at;
    const hi = lo + length;
    if (hi > this.#end) cutShort();
    this.#at = hi;
    if (!isHuffman) return this.#bytes.toString('latin1', lo, hi);
    return decodeHuffman(this.#bytes, lo, hi) ?? broken('no Huffman code');
  }

  /** Whose first byte has so many ones at the most (section 5.1). */
  #integer(mask: number): number {
    let value = this.#byte() & mask;
    if (value < mask) return value;
    for (let factor = 1; factor <= 2 ** 21; factor *= 128) {
      const byte = this.#byte();
      value += (byte & 0x7f) * factor;
      if (byte < 0x80) return value;
    }
    broken('a number past all bounds');
  }

  #byte(): number {
    if (this.#at >= this.#end) cutShort();
    return this.#bytes[this.#at++] as number;
  }
}

function isSame(block: Uint8Array, bytes: Uint8Array, lo: number): boolean {
  for (let at = 0; at < block.length; at += 1) if (block[at] !== bytes[lo + at]) return false;
  return true;
}

function broken(what: string): never {
  throw new Http2Error(errorCodes.compressionError, `headers that do not decode: ${what}`);
}

const cutShort = (): never => broken('cut short');
