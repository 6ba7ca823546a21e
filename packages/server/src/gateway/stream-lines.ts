// What a stream of the gateway says: each message a line, in the order in which they were sent.
// Most lines are made and leave at once; behind a long one, which takes its turns, all others wait.
import { Fifo } from '@holdfast/base/fifo';

import type { FramedMessage } from '../grpc/method.ts';
import { type LongLines, shortLineOf } from './long-lines.ts';
import type { MessageShape } from './message-shapes.ts';

export type StreamLinesOptions = {
  /** Of all calls. */
  readonly long: LongLines;
  readonly shape: MessageShape;
  /** Answers whether there is room for more. */
  readonly write: (line: string | Buffer) => boolean;
  readonly isOver: () => boolean;
  /** All that waited has been written, and there is room. */
  readonly onRoom: () => void;
  /** No text can be made. */
  readonly onFault: (error: unknown) => void;
};

/** Of a message that is made at once: a millisecond or two. */
const atOnceBytesMax = 128 * 1024;

export class StreamLines {
  readonly #options: StreamLinesOptions;
  /** The first is being made. */
  readonly #waiting = new Fifo<FramedMessage>();
  #waitingBytes = 0;
  #atEnd: (() => void) | undefined;

  constructor(options: StreamLinesOptions) {
    this.#options = options;
  }

  get isBusy(): boolean {
    return this.#waiting.length > 0;
  }

  /** Of messages whose lines have not been written. */
  get waitingBytes(): number {
    return this.#waitingBytes;
  }

  /** Answers whether there is room for more; if not, onRoom tells when, or whoever writes. */
  send(message: FramedMessage): boolean {
    const { shape, write } = this.#options;
    if (!this.isBusy && message.length <= atOnceBytesMax) {
      return write(shortLineOf(shape, message));
    }
    this.#waiting.push(message);
    this.#waitingBytes += message.length;
    if (this.#waiting.length === 1) void this.#writeWaiting();
    return false;
  }

  /** Once all that was sent has been written. */
  atEnd(action: () => void): void {
    if (this.isBusy) this.#atEnd = action;
    else action();
  }

  /** Never rejects. */
  async #writeWaiting(): Promise<void> {
    const { long, shape, write, isOver, onRoom, onFault } = this.#options;
    let hasRoom = true;
    try {
      for (let next = this.#waiting.first; next; next = this.#waiting.first) {
        const line = await long.lineOf(shape, next);
        if (isOver()) return;
        this.#waiting.shift();
        this.#waitingBytes -= next.length;
        hasRoom = write(line);
      }
    } catch (error) {
      onFault(error);
      return;
    }
    if (this.#atEnd) this.#atEnd();
    else if (hasRoom) onRoom();
  }
}
