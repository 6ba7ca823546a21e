// Some clients of etcd (etcdctl 3.4 among them) name as their host whatever they were given as an
// endpoint, `http://` included. That is no host, and node:http2 ends each such call before anybody
// can look at it. So the two slashes of the first block of headers of a connection are made into
// dashes, which are as long: later calls refer to what was said in the first.
const flags = { padded: 0x08, priority: 0x20 };
const priorityBytes = 5;
/** In the static table of HPACK (RFC 7541, appendix A). */
const authorityIndex = 1;

/** Of the payload of a HEADERS frame, changed in place. What is malformed is left to others. */
export function mendHost(payload: Buffer, frameFlags: number): void {
  let at = (frameFlags & flags.padded) === 0 ? 0 : 1;
  if ((frameFlags & flags.priority) !== 0) at += priorityBytes;
  const block = new HeaderBlock(payload, at);
  while (!block.isOver) {
    const value = block.next();
    if (value) return mendValue(value.bytes, value.isHuffman);
  }
}

type HeaderValue = { readonly bytes: Buffer; readonly isHuffman: boolean };

/** Steps over the fields of a block without decoding them (RFC 7541, 6). */
class HeaderBlock {
  readonly #bytes: Buffer;
  #at: number;

  constructor(bytes: Buffer, from: number) {
    this.#bytes = bytes;
    this.#at = from;
  }

  get isOver(): boolean {
    return this.#at >= this.#bytes.length;
  }

  /** The value of the host, where that is what came next. */
  next(): HeaderValue | undefined {
    const first = this.#bytes[this.#at] as number;
    if ((first & 0x80) !== 0) return void this.#integer(7);
    if ((first & 0xe0) === 0x20) return void this.#integer(5);
    const name = this.#integer((first & 0x40) === 0 ? 4 : 6);
    if (name === 0) this.#string();
    const value = this.#string();
    return name === authorityIndex ? value : undefined;
  }

  #string(): HeaderValue {
    const isHuffman = ((this.#bytes[this.#at] ?? 0) & 0x80) !== 0;
    const length = this.#integer(7);
    const bytes = this.#bytes.subarray(this.#at, this.#at + length);
    this.#at += length;
    return { bytes, isHuffman };
  }

  /** Of so many bits in its first byte (RFC 7541, 5.1). */
  #integer(bits: number): number {
    const max = (1 << bits) - 1;
    let value = (this.#bytes[this.#at++] ?? 0) & max;
    if (value < max) return value;
    for (let factor = 1; ; factor *= 128) {
      const byte = this.#bytes[this.#at++] ?? 0;
      value += (byte & 0x7f) * factor;
      // Longer ones are malformed, and lead behind the end.
      if ((byte & 0x80) === 0 || factor > 2 ** 21) return value;
    }
  }
}

/** Their codes are of six bits each. */
const slash = '011000';
const dash = '010110';
/** `http:` and `https:` in the code of Huffman (RFC 7541, appendix B). */
const schemes = ['100111 01001 01001 101011 1011100', '100111 01001 01001 101011 01000 1011100'];

const patterns = schemes.map((scheme) => {
  const bits = scheme.replaceAll(' ', '');
  return { from: bits + slash + slash, to: bits + dash + dash };
});

function mendValue(bytes: Buffer, isHuffman: boolean): void {
  if (!isHuffman) {
    const slashes = /^https?:\/\//.exec(bytes.toString('latin1'))?.[0].length ?? 0;
    if (slashes > 0) bytes.write('--', slashes - 2, 'latin1');
    return;
  }
  const bits = [...bytes.subarray(0, 8)].map((byte) => byte.toString(2).padStart(8, '0')).join('');
  const found = patterns.find(({ from }) => bits.startsWith(from));
  if (!found) return;
  const mended = found.to + bits.slice(found.to.length);
  for (let at = 0; at * 8 < mended.length; at += 1) {
    bytes[at] = Number.parseInt(mended.slice(at * 8, at * 8 + 8), 2);
  }
}
