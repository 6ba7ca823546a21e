// What one stream has to send: its head, messages, its end. They wait here for room in the windows
// and for their turn; one turn is as much as a frame or two.
import type { OutputBatch } from './output-batch.ts';

/** With so much waiting there is no room for another message. */
const queueBytesMax = 64 * 1024;
/** Of a stream, while others wait. */
const turnBytes = 16 * 1024;

export type Sent =
  /** All that there was. */
  | 'all'
  /** And it was the end of the stream. */
  | 'end'
  /** Its turn is over. */
  | 'turn'
  | 'no-window'
  | 'no-connection-window';

/** Of a connection. */
export type SendRoom = {
  readonly batch: OutputBatch;
  /** For all streams together. */
  window: number;
  /** Of messages, without what frames them: what has been sent so far. */
  sentBytes: number;
  readonly frameBytesMax: number;
};

export class StreamSender {
  window: number;
  readonly #stream: number;
  #head: Uint8Array | undefined;
  #messages: Uint8Array[] = [];
  /** How much of the first message has been sent. */
  #at = 0;
  #waitingBytes = 0;
  #isRoomAwaited = false;
  #end: Uint8Array | undefined;

  constructor(stream: number, window: number) {
    this.#stream = stream;
    this.window = window;
  }

  begin(head: Uint8Array): void {
    this.#head = head;
  }

  /** Answers whether there is room for another one. */
  push(message: Uint8Array): boolean {
    this.#messages.push(message);
    this.#waitingBytes += message.length;
    if (this.#waitingBytes < queueBytesMax) return true;
    this.#isRoomAwaited = true;
    return false;
  }

  end(end: Uint8Array): void {
    this.#end = end;
  }

  /** Of messages. */
  get waitingBytes(): number {
    return this.#waitingBytes;
  }

  /** Once after a `push` that answered false: all of it has gone. */
  takeRoom(): boolean {
    if (!this.#isRoomAwaited || this.#waitingBytes > 0) return false;
    this.#isRoomAwaited = false;
    return true;
  }

  /** Nobody reads any more. */
  clear(): void {
    this.#messages = [];
    this.#waitingBytes = 0;
  }

  write(to: SendRoom): Sent {
    if (this.#head) to.batch.headers(this.#stream, this.#head, false);
    this.#head = undefined;
    const sent = this.#waitingBytes > 0 ? this.#writeMessages(to) : 'all';
    if (sent !== 'all' || !this.#end) return sent;
    to.batch.headers(this.#stream, this.#end, true);
    return 'end';
  }

  #writeMessages(to: SendRoom): Sent {
    // Heads count for the batch, and not for the turn: short messages are mostly heads.
    for (let turn = 0; turn < turnBytes && !to.batch.isFull; ) {
      const message = this.#messages[0];
      if (!message) return 'all';
      const lo = this.#at;
      const bytes = Math.min(message.length - lo, to.frameBytesMax, this.window, to.window);
      if (bytes <= 0) return this.window <= 0 ? 'no-window' : 'no-connection-window';
      const isWhole = bytes === message.length;
      to.batch.data(this.#stream, isWhole ? message : message.subarray(lo, lo + bytes));
      this.window -= bytes;
      to.window -= bytes;
      to.sentBytes += bytes;
      this.#waitingBytes -= bytes;
      turn += bytes;
      this.#at = lo + bytes;
      if (this.#at < message.length) continue;
      this.#messages.shift();
      this.#at = 0;
    }
    return this.#messages.length === 0 ? 'all' : 'turn';
  }
}
