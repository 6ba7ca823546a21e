// For the tests of methods that stream: a call without a socket, which keeps what it is sent.
import { type FramedMessage, type StreamMethod, type StreamReader, unframed } from './method.ts';
import { GrpcStatus } from './status.ts';

export class TestStream {
  readonly sent: Uint8Array[] = [];
  /** `ok`, or a code and its sentence. */
  ended: string | undefined;
  isPaused = false;
  /** How many messages it takes before it is full; each `room` makes room again. */
  roomMessages = Number.POSITIVE_INFINITY;
  readonly #gone = new AbortController();
  readonly #reader: StreamReader;
  readonly #method: StreamMethod;

  constructor(method: StreamMethod, headers: Readonly<Record<string, string>> = {}) {
    this.#method = method;
    this.#reader = method.open({
      actor: 'tester',
      signal: this.#gone.signal,
      header: (name) => headers[name],
      send: (message: FramedMessage) => {
        if (this.#gone.signal.aborted) return false;
        this.sent.push(unframed(message).slice());
        this.roomMessages -= 1;
        return this.roomMessages > 0;
      },
      unsentBytes: () => 0,
      end: (status) => this.#end(status),
      pause: () => {
        this.isPaused = true;
      },
      resume: () => {
        this.isPaused = false;
      },
    });
  }

  say(message: Uint8Array): void {
    this.#guarded(() => this.#reader.onMessage(message));
  }

  sayAll(): void {
    this.#guarded(() => this.#reader.onEnd());
  }

  makeRoom(messages = Number.POSITIVE_INFINITY): void {
    this.roomMessages = messages;
    this.#guarded(() => this.#reader.onRoom());
  }

  leave(): void {
    if (this.#gone.signal.aborted) return;
    this.#gone.abort(new Error('the client has gone'));
    this.#reader.onGone();
  }

  #guarded(run: () => void): void {
    try {
      run();
    } catch (error) {
      this.#end(error instanceof GrpcStatus ? error : this.#method.statusOf(error));
    }
  }

  #end(status: GrpcStatus | 'ok'): void {
    if (this.#gone.signal.aborted) return;
    this.ended = status === 'ok' ? status : `${status.code} ${status.message}`;
    this.leave();
  }
}
