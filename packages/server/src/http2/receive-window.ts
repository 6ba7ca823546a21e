// What a client may send on all streams of a connection together. It may send it again as soon as
// it has come, whatever becomes of it: what waits in a stream is bounded by the stream's own
// window.
import { errorCodes, Http2Error } from './frame.ts';

export class ReceiveWindow {
  readonly #bytesMax: number;
  #room: number;
  #usedBytes = 0;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
    this.#room = bytesMax;
  }

  /** Answers how much room to give back, now and then. Throws when there was none. */
  take(bytes: number): number {
    this.#room -= bytes;
    if (this.#room < 0) {
      throw new Http2Error(errorCodes.flowControlError, 'more data than there was room for');
    }
    this.#usedBytes += bytes;
    if (this.#usedBytes < this.#bytesMax / 2) return 0;
    const back = this.#usedBytes;
    this.#room += back;
    this.#usedBytes = 0;
    return back;
  }
}
