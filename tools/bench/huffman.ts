// The Huffman code of HPACK (RFC 7541, appendix B). It is canonical: codes of one length follow
// each other in the order of their symbols, so that the lengths alone say all.

/** Bits of the code of each byte, and of the mark of the end. */
const bitsOf: readonly number[] = [
  [13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28],
  [28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 28],
  [6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6],
  [5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10],
  [13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7],
  [7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6],
  [15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5],
  [6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28],
  [20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23],
  [24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24],
  [22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23],
  [21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23],
  [26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25],
  [19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27],
  [20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23],
  [26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26],
  [30],
].flat();

const endMark = 256;
const bitsMax = 30;

/** For each length: its first code, and its symbols in order. */
const codes = codesByLength();

function codesByLength(): readonly {
  readonly first: number;
  readonly symbols: readonly number[];
}[] {
  let first = 0;
  return Array.from({ length: bitsMax + 1 }, (_, bits) => {
    const symbols = [...bitsOf.keys()].filter((symbol) => bitsOf[symbol] === bits);
    const ofLength = { first, symbols };
    first = (first + symbols.length) * 2;
    return ofLength;
  });
}

/** Throws on what is no such code. */
export function decodeHuffman(bytes: Uint8Array): string {
  let text = '';
  let [code, bits] = [0, 0];
  for (let at = 0; at < bytes.length * 8; at += 1) {
    code = code * 2 + (((bytes[at >> 3] as number) >> (7 - (at & 7))) & 1);
    bits += 1;
    const { first, symbols } = codes[bits] ?? noCode();
    const symbol = symbols[code - first];
    if (symbol === undefined) continue;
    if (symbol === endMark) noCode();
    text += String.fromCharCode(symbol);
    [code, bits] = [0, 0];
  }
  // What is left pads the last byte, with ones.
  if (bits > 7 || code !== 2 ** bits - 1) noCode();
  return text;
}

function noCode(): never {
  throw new Error('a header that is no Huffman code');
}
