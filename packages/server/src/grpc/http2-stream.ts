// A call on a stream of node:http2.
import { constants, type IncomingHttpHeaders, type ServerHttp2Stream } from 'node:http2';

import type { CallReader, CallStream } from './call-stream.ts';
import type { FramedMessage } from './method.ts';
import { encodeStatusMessage, type GrpcStatus } from './status.ts';

const { HTTP2_HEADER_PATH, HTTP2_HEADER_STATUS, HTTP2_HEADER_CONTENT_TYPE } = constants;

const answerHeaders = {
  [HTTP2_HEADER_STATUS]: 200,
  [HTTP2_HEADER_CONTENT_TYPE]: 'application/grpc',
};
const okTrailers = { 'grpc-status': '0' };
const awaitsTrailers = { waitForTrailers: true };
const isLast = { endStream: true };

export class Http2CallStream implements CallStream {
  readonly path: string;
  readonly #stream: ServerHttp2Stream;
  readonly #headers: IncomingHttpHeaders;
  #hasBegun = false;
  #trailers: Record<string, string> = okTrailers;

  constructor(stream: ServerHttp2Stream, headers: IncomingHttpHeaders) {
    this.#stream = stream;
    this.#headers = headers;
    this.path = String(headers[HTTP2_HEADER_PATH]);
    stream.on('error', () => undefined); // Its close follows, and is what counts.
  }

  header(name: string): string | undefined {
    const value = this.#headers[name];
    return Array.isArray(value) ? value[0] : value;
  }

  open({ onBytes, onEnd, onRoom, onGone }: CallReader): void {
    const stream = this.#stream;
    stream.on('data', onBytes);
    stream.once('end', () => {
      // What was broken off ends, too; it is not all that the client had to say.
      if (stream.rstCode === constants.NGHTTP2_NO_ERROR) onEnd();
    });
    stream.once('close', onGone);
    if (onRoom) stream.on('drain', onRoom);
    stream.once('wantTrailers', () => {
      stream.sendTrailers(this.#trailers);
      this.#closeRequests();
    });
  }

  send(message: FramedMessage): boolean {
    if (this.#isGone) return false;
    this.#begin();
    return this.#stream.write(message);
  }

  end(status: GrpcStatus | 'ok', message?: FramedMessage): void {
    // To respond on a stream whose client has gone would throw.
    if (this.#isGone) return;
    if (status !== 'ok') this.#trailers = trailersOf(status);
    if (status !== 'ok' && !this.#hasBegun) {
      this.#hasBegun = true;
      this.#stream.respond({ ...answerHeaders, ...this.#trailers }, isLast);
      this.#closeRequests();
      return;
    }
    this.#begin();
    if (message) this.#stream.end(message);
    else this.#stream.end();
  }

  abandon(): void {
    // Clients of etcd resume after this code as after UNAVAILABLE.
    this.#stream.close(constants.NGHTTP2_INTERNAL_ERROR);
  }

  pause(): void {
    this.#stream.pause();
  }

  resume(): void {
    this.#stream.resume();
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
      if (!this.#isGone) stream.close(constants.NGHTTP2_NO_ERROR);
    });
  }

  #begin(): void {
    if (this.#hasBegun) return;
    this.#hasBegun = true;
    this.#stream.respond(answerHeaders, awaitsTrailers);
  }
}

const trailersOf = ({ code, message }: GrpcStatus): Record<string, string> => ({
  'grpc-status': String(code),
  'grpc-message': encodeStatusMessage(message),
});
