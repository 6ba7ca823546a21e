// Reads a request's body, bounded. An oversized one is read to its end (up to a limit) before it is
// refused, so that the client is still there to hear why: a server that closes in the middle of an
// upload gives it a broken pipe instead of a 413.
import type { IncomingMessage } from 'node:http';

import { HoldfastError } from '@holdfast/base/errors';

import { GrowingBytes } from './growing-bytes.ts';

/** How many bytes too much are read and thrown away before the connection is given up. */
const discardBytesMax = 16 * 1024 * 1024;

const empty = Buffer.alloc(0);

/** `close`: the rest of the body was not read, so the connection can't be used again. */
export type BodyResult = (error: HoldfastError | undefined, body: Buffer, close: boolean) => void;

/** Calls `done` exactly once, or never if the client goes away before its body's end. */
export function readBody(request: IncomingMessage, bytesMax: number, done: BodyResult): void {
  const declared = Number(request.headers['content-length'] ?? 0);
  if (declared > bytesMax + discardBytesMax) done(tooLarge(bytesMax), empty, true);
  else new BodyReader(request, { bytesMax, done }).start();
}

export const tooLarge = (bytesMax: number): HoldfastError =>
  new HoldfastError('too-large', `the body is larger than ${bytesMax} bytes (1 MiB = 1048576)`, {
    details: { limitBytes: bytesMax },
  });

class BodyReader {
  readonly #request: IncomingMessage;
  readonly #bytesMax: number;
  readonly #done: BodyResult;
  readonly #body = new GrowingBytes();
  #bytes = 0;
  #finished = false;

  constructor(
    request: IncomingMessage,
    options: { readonly bytesMax: number; readonly done: BodyResult },
  ) {
    this.#request = request;
    this.#bytesMax = options.bytesMax;
    this.#done = options.done;
  }

  start(): void {
    this.#request.on('data', (chunk: Buffer) => this.#take(chunk));
    this.#request.on('end', () => this.#end());
    // The client went away: nobody is left to answer, and the route's wait never begins.
    this.#request.on('error', () => undefined);
  }

  #take(chunk: Buffer): void {
    this.#bytes += chunk.length;
    if (this.#bytes > this.#bytesMax) this.#discard();
    else this.#body.push(chunk);
  }

  #discard(): void {
    this.#body.take();
    if (this.#bytes > this.#bytesMax + discardBytesMax) this.#finish(true);
  }

  #end(): void {
    this.#finish(false);
  }

  #finish(close: boolean): void {
    if (this.#finished) return;
    this.#finished = true;
    if (this.#bytes > this.#bytesMax) this.#done(tooLarge(this.#bytesMax), empty, close);
    else this.#done(undefined, this.#body.take(), false);
  }
}
