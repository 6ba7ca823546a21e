// A call with any number of messages each way. Its handler is told of one thing at a time and waits
// for nothing; what it can not send yet it leaves where it is until there is room.
import type { HoldfastError } from '@holdfast/base/errors';

import type { CallStream } from './call-stream.ts';
import { gone, tooLate } from './call-wait.ts';
import { statusOfFailure } from './failed-call.ts';
import { timeoutMsOf } from './grpc-timeout.ts';
import { MessageParser, tooMuch } from './message-parser.ts';
import type { FramedMessage, StreamMethod, StreamReader } from './method.ts';
import { GrpcStatus, statusCodes } from './status.ts';
import type { CallOptions } from './unary.ts';

export function serveStream(stream: CallStream, method: StreamMethod, options: CallOptions): void {
  new StreamServing(stream, method, options).open();
}

class StreamServing {
  readonly #stream: CallStream;
  readonly #method: StreamMethod;
  readonly #options: CallOptions;
  readonly #parser: MessageParser;
  readonly #over = new AbortController();
  #reader: StreamReader | undefined;
  /** Messages that came in one piece with the one at which it was paused. */
  #held: Uint8Array[] = [];
  #isPaused = false;
  #hasEnded = false;
  #hasToldEnd = false;

  constructor(stream: CallStream, method: StreamMethod, options: CallOptions) {
    this.#stream = stream;
    this.#method = method;
    this.#options = options;
    this.#parser = new MessageParser(options.messageBytesMax, stream);
  }

  open(): void {
    const { streams, clock } = this.#options.context;
    const onClosing = (reason: HoldfastError): void => this.#fail(reason);
    streams.add(onClosing);
    this.#over.signal.addEventListener('abort', () => streams.delete(onClosing), { once: true });
    this.#stream.open({
      onBytes: (bytes) => this.#guarded(() => this.#take(bytes)),
      onEnd: () => this.#guarded(() => this.#heedEnd()),
      onRoom: () => this.#guarded(() => this.#reader?.onRoom()),
      onGone: () => this.#finish(),
    });
    this.#guarded(() => {
      const timeoutMs = timeoutMsOf(this.#stream.header('grpc-timeout'));
      if (timeoutMs !== undefined) {
        const timer = clock.schedule(timeoutMs, () => this.#fail(tooLate()));
        this.#over.signal.addEventListener('abort', () => timer.cancel(), { once: true });
      }
      const { caller } = this.#options;
      this.#reader = this.#method.open({
        actor: caller.actor,
        subject: caller.subject,
        from: caller.from,
        signal: this.#over.signal,
        header: (name) => this.#stream.header(name),
        send: (message) => this.#send(message),
        unsentBytes: () => this.#stream.unsentBytes,
        end: (status, isAtOnce) => this.#end(status, isAtOnce),
        pause: () => this.#pause(),
        resume: () => this.#resume(),
      });
    });
  }

  get #isOver(): boolean {
    return this.#over.signal.aborted;
  }

  #take(bytes: Uint8Array): void {
    this.#parser.push(bytes, (message) => {
      if (this.#isPaused) this.#held.push(message);
      else if (!this.#isOver) this.#reader?.onMessage(message);
    });
  }

  #heedEnd(): void {
    if (this.#parser.isWithin) {
      throw new GrpcStatus(statusCodes.internal, 'grpc: the call ended within a message');
    }
    this.#hasEnded = true;
    if (this.#held.length === 0) this.#tellEnd();
  }

  /** Once, and not before the last message. */
  #tellEnd(): void {
    if (!this.#hasEnded || this.#hasToldEnd) return;
    this.#hasToldEnd = true;
    this.#reader?.onEnd();
  }

  #pause(): void {
    this.#isPaused = true;
    // Not at once: the handler that pauses is in the middle of something.
    if (!this.#stream.pause()) queueMicrotask(() => this.#fail(tooMuch()));
  }

  #resume(): void {
    if (!this.#isPaused) return;
    this.#isPaused = false;
    this.#guarded(() => {
      while (this.#held.length > 0 && !this.#isPaused && !this.#isOver) {
        this.#reader?.onMessage(this.#held.shift() as Uint8Array);
      }
      if (this.#isPaused || this.#isOver) return;
      this.#tellEnd();
      // Also of one that has ended: while it is paused, room is kept for what might come.
      if (!this.#isPaused) this.#stream.resume();
    });
  }

  #send(message: FramedMessage): boolean {
    return !this.#isOver && this.#stream.send(message);
  }

  /** Runs what may end the call by throwing. */
  #guarded(run: () => void): void {
    if (this.#isOver) return;
    try {
      run();
    } catch (error) {
      this.#fail(error);
    }
  }

  #fail(error: unknown): void {
    this.#end(statusOfFailure(error, this.#method, this.#options.context));
  }

  #end(status: GrpcStatus | 'ok', isAtOnce = false): void {
    if (this.#isOver) return;
    this.#stream.end(status);
    if (isAtOnce) this.#stream.abandon();
    this.#finish();
  }

  #finish(): void {
    if (this.#isOver) return;
    this.#held = [];
    this.#over.abort(gone());
    this.#reader?.onGone();
  }
}
