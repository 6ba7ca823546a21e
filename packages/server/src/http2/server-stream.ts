// One call as a stream of HTTP/2, as its server sees it. Whoever serves it is told of its data
// where it lies, and of its end; what is sent waits here until the client gives room for it.
import { ListLink } from '@holdfast/base/linked-list';
import type { ErrorCode } from './frame.ts';
import type { HeaderList } from './header-list.ts';
import { type SendRoom, type Sent, StreamSender } from './stream-sender.ts';

export type StreamReader = {
  /** A view, which may not be kept for longer than the call without need. */
  readonly onData: (bytes: Uint8Array) => void;
  readonly onEnd: () => void;
  /** After a `send` that answered false: all has been sent. */
  readonly onRoom: () => void;
  /** The stream is over, well or badly: the last that is told of it. */
  readonly onGone: () => void;
};

/** What a stream needs of its connection. */
export interface StreamHost {
  /** It has something to send. */
  wake(stream: ServerStream): void;
  /** So many bytes more may be sent to it. */
  widen(stream: ServerStream, bytes: number): void;
  reset(stream: ServerStream, code: ErrorCode): void;
}

const nothing = new Uint8Array(0);

export class ServerStream {
  readonly id: number;
  readonly headers: HeaderList;
  /** Its place among those that have something to send. For the connection's use. */
  readonly turn = new ListLink<ServerStream>(this);
  readonly #host: StreamHost;
  readonly #sender: StreamSender;
  readonly #windowBytes: number;
  #reader: StreamReader | undefined;
  #isGone = false;
  #hasEnded = false;
  #hasSentEnd = false;
  /** The reader knows of the end. */
  #hasToldEnd = false;
  #isPaused = false;
  /** Bytes that the client may still send, and those that it may send again. */
  #room: number;
  #usedBytes = 0;
  #dataBytes = 0;
  /** Came while it was paused: copied, as a byte would else keep all that was read with it. */
  #held: Uint8Array = nothing;
  #heldBytes = 0;

  constructor(head: { readonly id: number; readonly headers: HeaderList }, parts: StreamParts) {
    this.id = head.id;
    this.headers = head.headers;
    this.#host = parts.host;
    this.#windowBytes = parts.windowBytes;
    this.#room = parts.windowBytes;
    this.#sender = new StreamSender(head.id, parts.sendWindow);
  }

  /** To be called once, and before anything was told. */
  open(reader: StreamReader): void {
    this.#reader = reader;
  }

  get isGone(): boolean {
    return this.#isGone;
  }

  /** The client has said all. */
  get hasEnded(): boolean {
    return this.#hasEnded;
  }

  /** The client has been told all. */
  get hasSentEnd(): boolean {
    return this.#hasSentEnd;
  }

  /** Of its messages. */
  get unsentBytes(): number {
    return this.#sender.waitingBytes;
  }

  /** The head of the answer. Of a stream that is gone nothing more is sent, here and below. */
  respond(head: Uint8Array): void {
    if (this.#isGone) return;
    this.#sender.begin(head);
    this.#host.wake(this);
  }

  /** Answers whether there is room for another one; this one is kept in any case. */
  send(message: Uint8Array): boolean {
    if (this.#isGone) return false;
    const hasRoom = this.#sender.push(message);
    this.#host.wake(this);
    return hasRoom;
  }

  /** A last block of headers; the only one, where there was no `respond`. */
  end(headers: Uint8Array): void {
    if (this.#isGone) return;
    this.#sender.end(headers);
    this.#host.wake(this);
  }

  reset(code: ErrorCode): void {
    if (!this.#isGone) this.#host.reset(this, code);
  }

  pause(): void {
    this.#isPaused = true;
  }

  /** What came meanwhile is told at once. */
  resume(): void {
    if (!this.#isPaused || this.#isGone) return;
    this.#isPaused = false;
    const held = this.#held.subarray(0, this.#heldBytes);
    this.#held = nothing;
    this.#heldBytes = 0;
    if (held.length > 0) this.#tell(held, held.length);
    this.#maybeTellEnd();
  }

  /** Data, and how much of the window it has taken. False: more than there was room for. */
  take(data: Uint8Array, windowBytes: number): boolean {
    if (windowBytes > this.#room) return false;
    this.#room -= windowBytes;
    this.#dataBytes += data.length;
    if (this.#isPaused) {
      this.#usedBytes += windowBytes - data.length;
      this.#hold(data);
    } else this.#tell(data, windowBytes);
    return true;
  }

  /** False: it is not as long as was said (section 8.1.1). */
  takeEnd(): boolean {
    this.#hasEnded = true;
    const { contentLength } = this.headers;
    if (contentLength !== undefined && contentLength !== this.#dataBytes) return false;
    this.#maybeTellEnd();
    return true;
  }

  /** False: the window would be larger than may be. */
  grow(bytes: number): boolean {
    this.#sender.window += bytes;
    return this.#sender.window < 2 ** 31;
  }

  write(to: SendRoom): Sent {
    const sent = this.#sender.write(to);
    if (sent === 'end') this.#hasSentEnd = true;
    return sent;
  }

  tellRoom(): void {
    if (!this.#isGone && this.#sender.takeRoom()) this.#reader?.onRoom();
  }

  /** By the connection, which knows it no longer. */
  finish(): void {
    if (this.#isGone) return;
    this.#isGone = true;
    this.#sender.clear();
    this.#held = nothing;
    this.#reader?.onGone();
  }

  #tell(data: Uint8Array, windowBytes: number): void {
    this.#usedBytes += windowBytes;
    if (data.length > 0) this.#reader?.onData(data);
    // Of one that has ended nothing more comes.
    if (this.#usedBytes < this.#windowBytes / 2 || this.#hasEnded || this.#isGone) return;
    const bytes = this.#usedBytes;
    this.#usedBytes = 0;
    this.#room += bytes;
    this.#host.widen(this, bytes);
  }

  #maybeTellEnd(): void {
    if (!this.#hasEnded || this.#hasToldEnd || this.#isPaused || this.#isGone) return;
    this.#hasToldEnd = true;
    this.#reader?.onEnd();
  }

  #hold(data: Uint8Array): void {
    const bytes = this.#heldBytes + data.length;
    if (bytes > this.#held.length) {
      const grown = new Uint8Array(Math.min(2 * bytes, this.#windowBytes));
      grown.set(this.#held.subarray(0, this.#heldBytes));
      this.#held = grown;
    }
    this.#held.set(data, this.#heldBytes);
    this.#heldBytes = bytes;
  }
}

export type StreamParts = {
  readonly host: StreamHost;
  /** What the client may send before it was read. */
  readonly windowBytes: number;
  /** What may be sent to it at first. */
  readonly sendWindow: number;
};
