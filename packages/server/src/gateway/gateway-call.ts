// A call of gRPC that comes as a request of HTTP/1.1 and speaks JSON: to whoever serves it, it is a
// stream like any other. One message is answered with one document; of a stream each message is a
// line, and a chunk, of its own, that leaves at once.
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

import type { Timer } from '@holdfast/base/clock';

import type { CallReader, CallStream } from '../grpc/call-stream.ts';
import { messageHeadBytes } from '../grpc/message-parser.ts';
import { type FramedMessage, type UnaryAnswer, unframed } from '../grpc/method.ts';
import { GrpcStatus, statusCodes } from '../grpc/status.ts';
import type { UnreadAnswers } from '../grpc/unread-answers.ts';
import { houseSignHeader } from '../http/house-sign.ts';
import type { HttpContext } from '../http/http-context.ts';
import { metadataOf } from './gateway-headers.ts';
import { GatewayRoom } from './gateway-room.ts';
import { errorText, httpStatusOf, streamErrorText } from './gateway-status.ts';
import type { LongLines } from './long-lines.ts';
import { MessageStream, readOneMessage } from './message-body.ts';
import type { MethodShape } from './message-shapes.ts';
import { JsonOfPieces, jsonOf } from './message-to-json.ts';
import { StreamLines } from './stream-lines.ts';

export type GatewayExchange = {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
};

export type GatewayCallOptions = {
  readonly context: HttpContext;
  /** `/package.Service/Method` */
  readonly path: string;
  readonly shape: MethodShape;
  /** It waits as long as its client does, and may be silent for hours. */
  readonly isPatient: boolean;
  /** Of the JSON of one message of the client. */
  readonly jsonBytesMax: number;
  /** Of one message that is answered: its text must be one that can be made. */
  readonly answerBytesMax: number;
  /** Of answers that are made in pieces, of all calls. */
  readonly unread: UnreadAnswers;
  /** Of messages of streams that are long, of all calls. */
  readonly long: LongLines;
};

const keepAliveMs = 30_000;
/** Answers up to here are not counted among what waits for its readers. */
const uncountedBytesMax = 16 * 1024;
/** Connections that have once taken the whole of an answer that is counted. */
const readers = new WeakSet<Socket>();

export class GatewayCall implements CallStream {
  readonly path: string;
  readonly room: GatewayRoom;
  readonly #exchange: GatewayExchange;
  readonly #options: GatewayCallOptions;
  readonly #lines: StreamLines;
  #body: MessageStream | undefined;
  #reader: CallReader | undefined;
  #stalled: Timer | undefined;
  #isOver = false;
  /** Of the text that was given to the response. */
  #textBytes = 0;

  /** Of a response that has not been closed. */
  constructor(exchange: GatewayExchange, options: GatewayCallOptions) {
    this.path = options.path;
    this.#exchange = exchange;
    this.#options = options;
    const { context, unread } = options;
    this.room = new GatewayRoom({
      ...{ context, unread },
      reader: {
        hasRead: readers.has(exchange.request.socket),
        sentBytes: () => this.#textBytes - this.unsentBytes,
        giveUp: () => this.abandon(),
      },
      isOver: () => this.#isOver,
      checkBytes: (bytes) => this.#checkBytes(bytes),
    });
    this.#lines = new StreamLines({
      ...{ long: options.long, shape: options.shape.response },
      write: (line) => this.#writeLine(line),
      isOver: () => this.#isOver,
      onRoom: () => this.#heedRoom(),
      onFault: (error) => this.#fail(error),
    });
  }

  header(name: string): string | undefined {
    return metadataOf(this.#exchange.request.headers, name);
  }

  open(reader: CallReader): void {
    const { request, response } = this.#exchange;
    const { shape, isPatient, jsonBytesMax, context } = this.#options;
    const { clock, limits } = context;
    const messageTimeoutMs = limits.requestTimeoutMs;
    const options = { shape: shape.request, clock, jsonBytesMax, messageTimeoutMs };
    const bodyReader = {
      onMessage: reader.onBytes,
      onEnd: reader.onEnd,
      onMistake: (status: GrpcStatus, isLeft: boolean) => this.#refuse(status, isLeft),
    };
    this.#reader = reader;
    response.once('close', () => this.#leave());
    if (isPatient) beQuiet(request.socket);
    if (shape.isStreaming) response.on('drain', () => this.#heedRoom());
    if (shape.isClientStreaming) {
      exemptFromRequestTimeout(request);
      this.#body = new MessageStream(request, options, bodyReader);
      this.#body.start();
    } else readOneMessage(request, options, bodyReader);
  }

  send(message: FramedMessage): boolean {
    if (this.#isOver || this.#refusesLong(message)) return false;
    return this.#lines.send(message);
  }

  end(status: GrpcStatus | 'ok', answer?: UnaryAnswer): void {
    if (this.#isOver) return;
    if (answer && !(answer instanceof Uint8Array)) {
      void this.#answerInPieces(answer);
      return;
    }
    this.room.endTurn();
    if (this.#options.shape.isStreaming) {
      if (answer) this.send(answer);
      this.#lines.atEnd(() => this.#endStream(status));
    } else if (status !== 'ok') this.#answer(httpStatusOf(status), [errorText(status)]);
    else if (answer && !this.#refusesLong(answer)) {
      this.#answer(200, [jsonOf(this.#options.shape.response, unframed(answer))]);
    }
  }

  /** As text, which is longer than what was sent. */
  get unsentBytes(): number {
    return this.#exchange.response.writableLength + this.#lines.waitingBytes;
  }

  /** Its close follows, and ends what there is of it. */
  abandon(): void {
    this.#exchange.response.destroy();
  }

  pause(): boolean {
    this.#body?.pause();
    return true;
  }

  resume(): void {
    this.#body?.resume();
  }

  /** Its body is read as of any request of HTTP/1.1: what may be held of it is bounded there. */
  hold(): boolean {
    return true;
  }

  #beginStream(): void {
    const { response } = this.#exchange;
    if (response.headersSent) return;
    response.writeHead(200, {
      'Content-Type': 'application/json',
      'X-Accel-Buffering': 'no',
      ...houseSignHeader,
    });
  }

  #writeLine(line: string | Buffer): boolean {
    this.#beginStream();
    const hasRoom = this.#exchange.response.write(line);
    if (!hasRoom) this.#expectRoom();
    return hasRoom;
  }

  #endStream(status: GrpcStatus | 'ok'): void {
    const { response } = this.#exchange;
    if (this.#isOver) return;
    if (status !== 'ok' && !response.headersSent) {
      this.#answer(httpStatusOf(status), [streamErrorText(status)]);
      return;
    }
    this.#beginStream();
    this.#close(status === 'ok' ? '' : streamErrorText(status));
  }

  async #answerInPieces(pieces: readonly Uint8Array[]): Promise<void> {
    const { shape } = this.#options;
    try {
      this.#checkBytes(pieces.reduce((sum, { length }) => sum + length, 0));
      const json = new JsonOfPieces(shape.response);
      for (const [at, piece] of pieces.entries()) {
        await this.room.turn();
        json.add(at === 0 ? piece.subarray(messageHeadBytes) : piece);
      }
      this.#answer(200, json.parts());
    } catch (error) {
      if (this.#isOver) return;
      if (error instanceof GrpcStatus) this.#refuse(error, false);
      else this.#fail(error);
    } finally {
      this.room.endTurn();
    }
  }

  #answer(httpStatus: number, parts: readonly (string | Buffer)[]): void {
    const { response } = this.#exchange;
    const bytes = parts.reduce((sum, part) => sum + Buffer.byteLength(part), 0);
    response.writeHead(httpStatus, {
      'Content-Type': 'application/json',
      'Content-Length': bytes,
      ...houseSignHeader,
    });
    for (const part of parts.slice(0, -1)) response.write(part);
    this.#close(parts.at(-1) ?? '');
    this.#textBytes = bytes;
    if (bytes > uncountedBytesMax) this.#count(bytes);
  }

  /** Until it is taken; in one place, or who reads nothing of a long one is in the way of all. */
  #count(bytes: number): void {
    const { request, response } = this.#exchange;
    response.once('finish', () => readers.add(request.socket));
    if (this.room.made()) return;
    const { answers } = this.#options.context;
    response.once(
      'close',
      answers.hold(bytes, () => this.abandon()),
    );
  }

  #close(last: string | Uint8Array): void {
    const { request, response } = this.#exchange;
    const { isPatient, context } = this.#options;
    this.#isOver = true;
    this.#body?.stop();
    // What was said last is waited for as of any other answer.
    if (isPatient) request.socket.setTimeout(context.limits.stalledMs);
    // A connection in the middle of a body has no other use.
    response.once('finish', () => {
      if (!request.complete) request.socket.destroySoon();
    });
    response.end(last);
  }

  /** An answer that is too large to be text ends the call. */
  #refusesLong({ length }: FramedMessage): boolean {
    if (length <= this.#options.answerBytesMax) return false;
    this.#refuse(this.#tooLong(), false);
    return true;
  }

  #fail(error: unknown): void {
    this.#options.context.onFault(error, this.path);
    this.abandon();
  }

  #checkBytes(bytes: number): void {
    if (bytes > this.#options.answerBytesMax) throw this.#tooLong();
  }

  #tooLong(): GrpcStatus {
    const { answerBytesMax } = this.#options;
    const text = `the answer is larger than ${answerBytesMax} bytes: ask for less, with a limit`;
    return new GrpcStatus(statusCodes.resourceExhausted, text);
  }

  /** Ends the call from here: whoever serves it is told that nobody is there any more. */
  #refuse(status: GrpcStatus, isLeft: boolean): void {
    if (isLeft && !this.#exchange.response.headersSent) {
      this.#exchange.response.shouldKeepAlive = false;
    }
    this.end(status);
    this.#reader?.onGone();
  }

  /** A reader that takes nothing at all is given up, as of any other answer. */
  #expectRoom(): void {
    const { clock, limits } = this.#options.context;
    this.#stalled ??= clock.schedule(limits.stalledMs, () => this.abandon());
  }

  #heedRoom(): void {
    this.#stalled?.cancel();
    this.#stalled = undefined;
    if (!this.#lines.isBusy) this.#reader?.onRoom?.();
  }

  #leave(): void {
    this.#isOver = true;
    this.room.close();
    this.#body?.stop();
    this.#stalled?.cancel();
    this.#reader?.onGone();
  }
}

/** Until the next request on it. Whether somebody is there TCP asks from time to time. */
function beQuiet(socket: Socket): void {
  socket.setTimeout(0);
  socket.setKeepAlive(true, keepAliveMs);
}

type WithParser = Socket & { readonly parser?: { readonly remove?: () => void } | null };

/**
 * Node ends a request that is not whole in time, and knows no exception. Its parser can be taken
 * off the list of those that are looked at, where the next request puts it again.
 */
function exemptFromRequestTimeout(request: IncomingMessage): void {
  if (!request.complete) (request.socket as WithParser).parser?.remove?.();
}
