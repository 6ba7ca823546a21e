// The Huffman code of HPACK (RFC 7541, appendix B), read four bits at a time. It is canonical:
// codes of one length follow each other in the order of their symbols, so that the lengths alone
// say all.

/** Bits of the code of each byte, and of the mark of the end. */
export const codeBits: readonly number[] = [
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
const paddingBitsMax = 7;

type Node = { readonly at: number; symbol: number; zero?: Node; one?: Node };

/** Inner nodes of the tree of codes, the root first; leaves have a symbol. */
const nodes: Node[] = [];

const newNode = (): Node => {
  const node = { at: nodes.length, symbol: -1 };
  nodes.push(node);
  return node;
};

function grow(root: Node): void {
  let code = 0;
  for (let bits = 1; bits <= bitsMax; bits += 1) {
    for (const [symbol, length] of codeBits.entries()) {
      if (length === bits) put(root, { code, bits, symbol });
      if (length === bits) code += 1;
    }
    code *= 2;
  }
}

type Code = { readonly code: number; readonly bits: number; readonly symbol: number };

function put(root: Node, { code, bits, symbol }: Code): void {
  let node = root;
  for (let bit = bits - 1; bit > 0; bit -= 1) {
    if ((code >>> bit) & 1) node = node.one ??= newNode();
    else node = node.zero ??= newNode();
  }
  const leaf = { at: -1, symbol };
  if (code & 1) node.one = leaf;
  else node.zero = leaf;
}

const root = newNode();
grow(root);

/** What four bits lead to from a node: the next node, and the symbol that ended on the way. */
const nextOf = new Int16Array(nodes.length * 16);
const symbolOf = new Int16Array(nodes.length * 16).fill(-1);
const noCode = -1;

for (const node of nodes) {
  for (let nibble = 0; nibble < 16; nibble += 1) {
    let reached: Node = node;
    const entry = node.at * 16 + nibble;
    for (let bit = 3; bit >= 0 && reached.symbol !== endMark; bit -= 1) {
      reached = ((nibble >>> bit) & 1 ? reached.one : reached.zero) as Node;
      if (reached.symbol < 0 || reached.symbol === endMark) continue;
      symbolOf[entry] = reached.symbol;
      reached = root;
    }
    nextOf[entry] = reached.symbol === endMark ? noCode : reached.at;
  }
}

/** Where a text may end: what pads its last byte are ones, less than eight of them. */
const isEnd = new Uint8Array(nodes.length);
for (let node = root, bits = 0; bits <= paddingBitsMax; bits += 1, node = node.one as Node) {
  isEnd[node.at] = 1;
}

let decodedText: Buffer = Buffer.alloc(4096);

/** Of [lo, hi). Undefined: it is no such code. */
export function decodeHuffman(from: Uint8Array, lo: number, hi: number): string | undefined {
  // No code is shorter than five bits.
  if ((hi - lo) * 8 > decodedText.length * 5) decodedText = Buffer.alloc(2 * (hi - lo));
  const to = decodedText;
  let node = 0;
  let at = 0;
  for (let read = lo; read < hi; read += 1) {
    const byte = from[read] as number;
    let entry = node * 16 + (byte >>> 4);
    let symbol = symbolOf[entry] as number;
    if (symbol >= 0) to[at++] = symbol;
    node = nextOf[entry] as number;
    if (node < 0) return undefined;
    entry = node * 16 + (byte & 15);
    symbol = symbolOf[entry] as number;
    if (symbol >= 0) to[at++] = symbol;
    node = nextOf[entry] as number;
    if (node < 0) return undefined;
  }
  return isEnd[node] ? to.toString('latin1', 0, at) : undefined;
}
