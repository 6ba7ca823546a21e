// The head of a call that came in several frames. It is put together up to a bound: what is longer
// can not be left out, as the table of the connection leans on it.
import { errorCodes, Http2Error } from './frame.ts';

/** Compressed; twice what a list may come to. */
const blockBytesMax = 32 * 1024;
/** Of one head: a client that cuts at all cuts at 16 KiB. */
const framesMax = 16;

export class HeaderBlock {
  readonly stream: number;
  readonly isEnd: boolean;
  #parts: Buffer[] = [];
  #bytes = 0;

  constructor(stream: number, isEnd: boolean) {
    this.stream = stream;
    this.isEnd = isEnd;
  }

  /** A copy is kept. Throws where there is too much. */
  push(part: Buffer): void {
    this.#bytes += part.length;
    if (this.#bytes > blockBytesMax || this.#parts.length === framesMax) {
      throw new Http2Error(errorCodes.enhanceYourCalm, 'headers that do not end');
    }
    this.#parts.push(Buffer.from(part));
  }

  whole(): Buffer {
    return Buffer.concat(this.#parts);
  }
}
