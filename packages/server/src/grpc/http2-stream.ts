// A call on a stream of node:http2.
import { constants, type IncomingHttpHeaders, type ServerHttp2Stream } from 'node:http2';
import type { RangeResponse } from '@holdfast/proto/internal';

import type { ByteBudget } from './byte-budget.ts';
import type { CallRoom } from './call-room.ts';
import type { CallReader, CallStream } from './call-stream.ts';
import type { FramedMessage } from './method.ts';
import { encodeStatusMessage, type GrpcStatus } from './status.ts';
import { type ConnectionAnswers, clientGone } from './unread-answers.ts';

const { HTTP2_HEADER_PATH, HTTP2_HEADER_STATUS, HTTP2_HEADER_CONTENT_TYPE, NGHTTP2_NO_ERROR } =
  constants;

const answerHeaders = {
  [HTTP2_HEADER_STATUS]: 200,
  [HTTP2_HEADER_CONTENT_TYPE]: 'application/grpc',
};
const okTrailers = { 'grpc-status': '0' };
const awaitsTrailers = { waitForTrailers: true };
const isLast = { endStream: true };

/** What a client may send on a stream that is not read. */
export const windowBytes = 256 * 1024;
/** Of an object for each pair of an answer that is not encoded yet. */
const pairBytes = 256;

/** What the calls of a connection hold together. */
export type CallAccounts = {
  readonly held: ByteBudget;
  readonly answers: ConnectionAnswers;
};

export class Http2CallStream implements CallStream, CallRoom {
  readonly path: string;
  readonly #stream: ServerHttp2Stream;
  readonly #headers: IncomingHttpHeaders;
  readonly #accounts: CallAccounts;
  #reader: CallReader | undefined;
  #hasBegun = false;
  #isPaused = false;
  #heldBytes = 0;
  #unreadBytes = 0;
  #trailers: Record<string, string> = okTrailers;

  constructor(stream: ServerHttp2Stream, headers: IncomingHttpHeaders, accounts: CallAccounts) {
    this.#stream = stream;
    this.#headers = headers;
    this.#accounts = accounts;
    this.path = String(headers[HTTP2_HEADER_PATH]);
    stream.on('error', () => undefined); // Its close follows, and is what counts.
    stream.once('close', () => this.#finish());
  }

  header(name: string): string | undefined {
    const value = this.#headers[name];
    return Array.isArray(value) ? value[0] : value;
  }

  open(reader: CallReader): void {
    const stream = this.#stream;
    this.#reader = reader;
    stream.on('data', reader.onBytes);
    stream.once('end', () => {
      // What was broken off ends, too; it is not all that the client had to say.
      if (stream.rstCode === NGHTTP2_NO_ERROR) reader.onEnd();
    });
    if (reader.onRoom) stream.on('drain', reader.onRoom);
    stream.once('wantTrailers', () => this.#sendTrailers());
  }

  send(message: FramedMessage): boolean {
    if (this.#isGone) return false;
    this.#begin();
    return this.#stream.write(message);
  }

  end(status: GrpcStatus | 'ok', message?: FramedMessage): void {
    // To respond on a stream whose client has gone would throw.
    if (this.#isGone) return;
    if (status !== 'ok') {
      this.#trailers = trailersOf(status);
      this.#grow(-this.#unreadBytes); // There will be no answer, whatever was counted for it.
    }
    if (status !== 'ok' && !this.#hasBegun) {
      this.#hasBegun = true;
      this.#stream.respond({ ...answerHeaders, ...this.#trailers }, isLast);
      this.#closeRequests();
      return;
    }
    this.#begin();
    if (message) {
      this.#grow(message.length - this.#unreadBytes);
      this.#stream.end(message);
    } else this.#stream.end();
  }

  abandon(): void {
    // Clients of etcd resume after this code as after UNAVAILABLE.
    this.#stream.close(constants.NGHTTP2_INTERNAL_ERROR);
  }

  pause(): boolean {
    if (this.#isPaused) return true;
    if (!this.hold(windowBytes)) return false;
    this.#isPaused = true;
    this.#stream.pause();
    return true;
  }

  resume(): void {
    if (!this.#isPaused) return;
    this.#isPaused = false;
    this.hold(-windowBytes);
    this.#stream.resume();
  }

  hold(bytes: number): boolean {
    if (this.#isGone) return true; // It is over before anything comes of it.
    if (bytes < 0) this.#accounts.held.give(-bytes);
    else if (!this.#accounts.held.take(bytes)) return false;
    this.#heldBytes += bytes;
    return true;
  }

  get room(): CallRoom {
    return this;
  }

  /** For one who has gone there is no room: nothing is made for nobody. */
  get isFull(): boolean {
    return this.#isGone || this.#accounts.answers.isFull;
  }

  async wait(signal?: AbortSignal): Promise<void> {
    if (!this.#isGone) await this.#accounts.answers.wait(this, signal);
    if (this.#isGone) throw clientGone();
  }

  expect(bytes: number): void {
    if (!this.#isGone) this.#grow(bytes);
  }

  heed({ kvs }: RangeResponse): void {
    if (this.#isGone) return;
    let bytes = 0;
    for (const { key, value } of kvs) bytes += key.length + value.length + pairBytes;
    this.#grow(bytes);
  }

  get #isGone(): boolean {
    return this.#stream.destroyed || this.#stream.closed;
  }

  /** A client that has not said all by now need not go on (RFC 9113, 8.1). */
  #closeRequests(): void {
    const stream = this.#stream;
    if (stream.readableEnded) return;
    // Later, or it would take the trailers' place.
    setImmediate(() => {
      if (!this.#isGone) stream.close(NGHTTP2_NO_ERROR);
    });
  }

  #grow(bytes: number): void {
    this.#unreadBytes += bytes;
    this.#accounts.answers.change(this, bytes);
  }

  #begin(): void {
    if (this.#hasBegun) return;
    this.#hasBegun = true;
    this.#stream.respond(answerHeaders, awaitsTrailers);
  }

  #sendTrailers(): void {
    if (this.#isGone) return;
    this.#stream.sendTrailers(this.#trailers);
    this.#closeRequests();
  }

  #finish(): void {
    const { held, answers } = this.#accounts;
    held.give(this.#heldBytes);
    this.#heldBytes = 0;
    answers.end(this, this.#unreadBytes);
    this.#unreadBytes = 0;
    this.#reader?.onGone();
  }
}

const trailersOf = ({ code, message }: GrpcStatus): Record<string, string> => ({
  'grpc-status': String(code),
  'grpc-message': encodeStatusMessage(message),
});
