// The tables of HPACK (RFC 7541, 2.3): one that everybody knows, and one that the client fills.
import { HeaderField } from './header-field.ts';

/** Appendix A, from 1 on; values only where there are any. */
const staticFields: readonly HeaderField[] = [
  ...[':authority', ':method GET', ':method POST', ':path /', ':path /index.html', ':scheme http'],
  ...[':scheme https', ':status 200', ':status 204', ':status 206', ':status 304', ':status 400'],
  ...[':status 404', ':status 500', 'accept-charset', 'accept-encoding gzip, deflate'],
  ...['accept-language', 'accept-ranges', 'accept', 'access-control-allow-origin', 'age', 'allow'],
  ...['authorization', 'cache-control', 'content-disposition', 'content-encoding'],
  ...['content-language', 'content-length', 'content-location', 'content-range', 'content-type'],
  ...['cookie', 'date', 'etag', 'expect', 'expires', 'from', 'host', 'if-match'],
  ...['if-modified-since', 'if-none-match', 'if-range', 'if-unmodified-since', 'last-modified'],
  ...['link', 'location', 'max-forwards', 'proxy-authenticate', 'proxy-authorization', 'range'],
  ...['referer', 'refresh', 'retry-after', 'server', 'set-cookie', 'strict-transport-security'],
  ...['transfer-encoding', 'user-agent', 'vary', 'via', 'www-authenticate'],
].map((text) => {
  const [name = '', ...value] = text.split(' ');
  return new HeaderField(name, value.join(' '));
});

const staticCount = staticFields.length;
/** As we leave SETTINGS_HEADER_TABLE_SIZE at its default. */
export const tableBytesMost = 4096;
/** An entry counts 32 bytes at the least, so that a ring of so many holds all that fit. */
const ringSize = 128;

export class HeaderTable {
  /** Goes up with each change of what an index means. */
  generation = 0;
  readonly #ring: (HeaderField | undefined)[] = [];
  /** Of the newest entry. */
  #newest = 0;
  #count = 0;
  #bytes = 0;
  #bytesMax = tableBytesMost;

  /** Undefined: there is nothing by that index. */
  at(index: number): HeaderField | undefined {
    if (index <= staticCount) return staticFields[index - 1];
    const back = index - staticCount - 1;
    if (back >= this.#count) return undefined;
    return this.#ring[(this.#newest - back) & (ringSize - 1)];
  }

  /** A field that is too large for the table empties it (section 4.4). */
  add(field: HeaderField): void {
    this.generation += 1;
    this.#shrinkTo(this.#bytesMax - field.bytes);
    if (field.bytes > this.#bytesMax) return;
    this.#newest = (this.#newest + 1) & (ringSize - 1);
    this.#ring[this.#newest] = field;
    this.#count += 1;
    this.#bytes += field.bytes;
  }

  /** Not beyond `tableBytesMost`. */
  resize(bytesMax: number): void {
    this.generation += 1;
    this.#bytesMax = bytesMax;
    this.#shrinkTo(bytesMax);
  }

  #shrinkTo(bytes: number): void {
    while (this.#count > 0 && this.#bytes > bytes) {
      const at = (this.#newest - this.#count + 1) & (ringSize - 1);
      this.#bytes -= (this.#ring[at] as HeaderField).bytes;
      this.#ring[at] = undefined;
      this.#count -= 1;
    }
  }
}
