// The least HTTP/1.1 that a load generator needs: the status and the length of each pipelined
// answer. It reads what our own server writes and refuses everything else (chunked bodies), because
// an answer that is not understood must not be counted.

const headEnd = Buffer.from('\r\n\r\n');
const statusAt = 'HTTP/1.1 '.length;
const zero = 0x30;

export class ResponseParser {
  readonly #onResponse: (status: number) => void;
  #rest: Buffer | undefined;
  /** Bytes of the current body that are still to come. */
  #bodyLeft = 0;

  constructor(onResponse: (status: number) => void) {
    this.#onResponse = onResponse;
  }

  push(part: Buffer): void {
    let bytes = part;
    if (this.#rest !== undefined) {
      bytes = Buffer.concat([this.#rest, part]);
      this.#rest = undefined;
    }
    let at = 0;
    while (at < bytes.length) {
      if (this.#bodyLeft > 0) {
        const taken = Math.min(this.#bodyLeft, bytes.length - at);
        this.#bodyLeft -= taken;
        at += taken;
        continue;
      }
      const end = bytes.indexOf(headEnd, at);
      if (end < 0) {
        this.#rest = bytes.subarray(at);
        return;
      }
      this.#head(bytes, at, end);
      at = end + headEnd.length;
    }
  }

  #head(bytes: Buffer, at: number, end: number): void {
    const first = at + statusAt;
    const status =
      ((bytes[first] as number) - zero) * 100 +
      ((bytes[first + 1] as number) - zero) * 10 +
      ((bytes[first + 2] as number) - zero);
    this.#bodyLeft = contentLength(bytes.toString('latin1', first, end), status);
    this.#onResponse(status);
  }
}

const lengthPattern = /\r\ncontent-length: *(\d+)/i;

function contentLength(head: string, status: number): number {
  const found = lengthPattern.exec(head);
  if (found !== null) return Number(found[1]);
  if (status === 204 || status === 304) return 0;
  throw new Error(`an answer without a length: ${head.slice(0, 200)}`);
}
