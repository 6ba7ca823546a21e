// For the tests of headers: an encoder that says fields in whatever way the test likes, as clients
// may (RFC 7541, 6). It keeps the table that a client has to keep.
import { codeBits } from './huffman.ts';

export type Field = readonly [name: string, value: string];
export type Way = 'kept' | 'not kept' | 'never kept' | 'by index';

/** Of the static table, those that the tests need. */
const staticNames: Readonly<Record<string, number>> = {
  ...{ ':authority': 1, ':method': 2, ':path': 4, ':scheme': 6, 'content-type': 31 },
};
const staticCount = 61;

export class TestEncoder {
  bytesMax = 4096;
  /** The newest first. */
  readonly table: Field[] = [];

  /** By index where it can be, whatever the way. */
  field(field: Field, way: Way, isHuffman: boolean): Buffer {
    const [name, value] = field;
    const at = this.table.findIndex(([kept, is]) => kept === name && is === value);
    if (way === 'by index' && at >= 0) return number(staticCount + 1 + at, 7, 0x80);
    const named = this.table.findIndex(([kept]) => kept === name);
    const index = staticNames[name] ?? (named >= 0 ? staticCount + 1 + named : 0);
    const head = {
      kept: () => number(index, 6, 0x40),
      'by index': () => number(index, 6, 0x40),
      'not kept': () => number(index, 4, 0),
      'never kept': () => number(index, 4, 0x10),
    }[way]();
    if (way === 'kept' || way === 'by index') this.#keep(field);
    return Buffer.concat([
      head,
      ...(index === 0 ? [text(name, isHuffman)] : []),
      text(value, isHuffman),
    ]);
  }

  resize(bytesMax: number): Buffer {
    this.bytesMax = bytesMax;
    this.#shrink();
    return number(bytesMax, 5, 0x20);
  }

  #keep(field: Field): void {
    this.table.unshift(field);
    this.#shrink();
  }

  #shrink(): void {
    const bytes = () => this.table.reduce((sum, [a, b]) => sum + a.length + b.length + 32, 0);
    while (bytes() > this.bytesMax) this.table.pop();
  }
}

/** Behind a first byte with so many free bits. */
export function number(value: number, bits: number, first: number): Buffer {
  const most = 2 ** bits - 1;
  if (value < most) return Buffer.of(first | value);
  const bytes = [first | most];
  let rest = value - most;
  for (; rest >= 128; rest = Math.floor(rest / 128)) bytes.push((rest % 128) | 128);
  return Buffer.of(...bytes, rest);
}

function text(value: string, isHuffman: boolean): Buffer {
  const bytes = isHuffman ? huffman(value) : Buffer.from(value, 'latin1');
  return Buffer.concat([number(bytes.length, 7, isHuffman ? 0x80 : 0), bytes]);
}

/** Codes by symbol, as bits. */
const codes = new Map<number, string>();
{
  let code = 0;
  for (let length = 1; length <= 30; length += 1) {
    for (const [symbol, bits] of codeBits.entries()) {
      if (bits !== length) continue;
      codes.set(symbol, code.toString(2).padStart(length, '0'));
      code += 1;
    }
    code *= 2;
  }
}

export function huffman(value: string): Buffer {
  const bits = [...Buffer.from(value, 'latin1')].map((byte) => codes.get(byte)).join('');
  const padded = bits.padEnd(Math.ceil(bits.length / 8) * 8, '1');
  return Buffer.from(padded.match(/.{8}/g)?.map((byte) => Number.parseInt(byte, 2)) ?? []);
}
