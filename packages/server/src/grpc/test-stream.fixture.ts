// For the tests of streaming methods: a call without a socket, whose client reads when it is told
// to, and that holds back what was said while it is paused, as the door does.
import { type Codec, framed, type StreamMethod, type StreamReader, unframed } from './method.ts';
import { GrpcStatus } from './status.ts';

export class TestStream<Request, Response> {
  /** All that was answered, read or not. */
  readonly answers: Response[] = [];
  /** `ok`, or CODE and sentence; undefined while it goes on. */
  status: string | undefined;
  /** Ended with all that was not read. */
  isAbandoned = false;
  isPaused = false;
  unsentBytes = 0;
  /** How many more answers there is room for; the last one says that there is none. */
  room = Number.POSITIVE_INFINITY;
  readonly #method: StreamMethod;
  readonly #codecs: readonly [Codec<Request>, Codec<Response>];
  readonly #over = new AbortController();
  readonly #reader: StreamReader | undefined;
  #held: Uint8Array[] = [];

  constructor(
    method: StreamMethod,
    codecs: readonly [Codec<Request>, Codec<Response>],
    headers: Readonly<Record<string, string>> = {},
  ) {
    this.#method = method;
    this.#codecs = codecs;
    try {
      this.#reader = method.open({
        actor: 'tester',
        signal: this.#over.signal,
        header: (name) => headers[name],
        send: (message) => this.#take(message),
        unsentBytes: () => this.unsentBytes,
        end: (status, isAtOnce) => this.#end(status, isAtOnce),
        pause: () => {
          this.isPaused = true;
        },
        resume: () => this.#resume(),
      });
    } catch (error) {
      this.#fail(error);
    }
  }

  say(request: Request): void {
    this.#heed(unframed(framed(this.#codecs[0], request)));
  }

  sayBytes(message: Uint8Array): void {
    this.#heed(message);
  }

  endRequests(): void {
    this.#reader?.onEnd();
  }

  /** The client reads all that there is, and has room for so many more. */
  read(room = Number.POSITIVE_INFINITY): void {
    this.room = room;
    this.unsentBytes = 0;
    if (!this.#isOver) this.#reader?.onRoom();
  }

  leave(): void {
    if (!this.#isOver) this.#finish();
  }

  get #isOver(): boolean {
    return this.#over.signal.aborted;
  }

  #heed(message: Uint8Array): void {
    if (this.#isOver) return;
    if (this.isPaused) {
      this.#held.push(message);
      return;
    }
    try {
      this.#reader?.onMessage(message);
    } catch (error) {
      this.#fail(error);
    }
  }

  #resume(): void {
    this.isPaused = false;
    for (const message of this.#held.splice(0)) this.#heed(message);
  }

  #take(message: Uint8Array): boolean {
    if (this.#isOver) return false;
    this.answers.push(this.#codecs[1].decode(unframed(message)));
    if (this.room < Number.POSITIVE_INFINITY) this.unsentBytes += message.length;
    this.room -= 1;
    return this.room > 0;
  }

  #fail(error: unknown): void {
    this.#end(error instanceof GrpcStatus ? error : this.#method.statusOf(error));
  }

  #end(status: GrpcStatus | 'ok', isAtOnce = false): void {
    if (this.#isOver) return;
    this.status = status === 'ok' ? status : `${status.code} ${status.message}`;
    this.isAbandoned = isAtOnce;
    this.#finish();
  }

  #finish(): void {
    this.#over.abort();
    this.#reader?.onGone();
  }
}

/** Lets what was begun run to where it waits for somebody else. */
export const settled = (): Promise<void> => new Promise((resolve) => void setImmediate(resolve));
