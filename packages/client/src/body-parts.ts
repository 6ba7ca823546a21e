// The parts of an answer's body as they come from the socket. A stream's own iterator joins what
// has come meanwhile into one part, which copies every byte of a long answer once more.
import type { Readable } from 'node:stream';

/** What waits to be read before the socket is told to wait. */
const waitingBytesMax = 512 * 1024;

/** Throws what the stream ends with. Whoever leaves early ends the stream. */
export async function* partsOf(body: Readable): AsyncGenerator<Uint8Array, void, undefined> {
  const arrival = new Arrival(body);
  try {
    for (;;) {
      const part = arrival.take();
      if (part) yield part;
      else if (arrival.hasEnded) return;
      else await arrival.more();
    }
  } finally {
    body.destroy();
  }
}

class Arrival {
  readonly #body: Readable;
  #parts: Uint8Array[] = [];
  #next = 0;
  #waitingBytes = 0;
  #hasEnded: boolean;
  #failure: Error | undefined;
  #wake = (): void => undefined;

  constructor(body: Readable) {
    this.#body = body;
    this.#hasEnded = body.readableEnded;
    if (body.errored) this.#failure = body.errored;
    else if (body.destroyed && !this.#hasEnded) this.#failure = cutShort();
    body.on('data', (part: Uint8Array) => this.#add(part));
    body.once('end', () => {
      this.#hasEnded = true;
      this.#wake();
    });
    body.once('error', (error: Error) => this.#fail(error));
    body.once('close', () => this.#fail(cutShort()));
  }

  /** Nothing more will come, and all that came was taken. Throws what it failed with. */
  get hasEnded(): boolean {
    if (this.#failure) throw this.#failure;
    return this.#hasEnded;
  }

  take(): Uint8Array | undefined {
    const part = this.#parts[this.#next];
    if (!part) return undefined;
    this.#next += 1;
    if (this.#next === this.#parts.length) [this.#parts, this.#next] = [[], 0];
    this.#waitingBytes -= part.length;
    return part;
  }

  /** Resolves when there is something new to look at. */
  more(): Promise<void> {
    this.#body.resume();
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }

  #add(part: Uint8Array): void {
    this.#parts.push(part);
    this.#waitingBytes += part.length;
    if (this.#waitingBytes > waitingBytesMax) this.#body.pause();
    this.#wake();
  }

  #fail(error: Error): void {
    if (!this.#hasEnded) this.#failure ??= error;
    this.#wake();
  }
}

const cutShort = (): Error =>
  Object.assign(new Error('the answer was cut short'), { code: 'ERR_STREAM_PREMATURE_CLOSE' });
