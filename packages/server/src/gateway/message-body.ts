// The messages in the body of a request: one that is read whole before it is looked at, or any
// number that are taken as they come, in a body that may stay open for as long as the client likes.
import type { IncomingMessage } from 'node:http';
import { toTextStrict } from '@holdfast/base/bytes';
import type { Clock, Timer } from '@holdfast/base/clock';
import { messageOf } from '@holdfast/base/errors';

import { type FramedMessage, framed } from '../grpc/method.ts';
import { GrpcStatus, statusCodes } from '../grpc/status.ts';
import { readBody } from '../http/request-body.ts';
import { parseExactly } from './exact-json.ts';
import { JsonSplitter } from './json-splitter.ts';
import { writeMessage } from './message-from-json.ts';
import type { MessageShape } from './message-shapes.ts';

export type MessageBodyOptions = {
  readonly shape: MessageShape;
  readonly clock: Clock;
  /** Of the JSON of one message. */
  readonly jsonBytesMax: number;
  /** From the first byte of a message to its last, where the body stays open. */
  readonly messageTimeoutMs: number;
};

/** What is told of a body; nothing after a mistake or the end. */
export type BodyReader = {
  readonly onMessage: (message: FramedMessage) => void;
  readonly onEnd: () => void;
  /** `isLeft`: the rest of the body is not read. */
  readonly onMistake: (status: GrpcStatus, isLeft: boolean) => void;
};

/** Of JSON, in one message. A transaction within another one takes three. */
const depthMax = 500;

/** Reads one message; an empty body is an empty one. */
export function readOneMessage(
  request: IncomingMessage,
  { shape, jsonBytesMax }: MessageBodyOptions,
  { onMessage, onEnd, onMistake }: BodyReader,
): void {
  readBody(request, jsonBytesMax, (tooLarge, body, isLeft) => {
    let message: FramedMessage;
    try {
      if (tooLarge) throw new GrpcStatus(statusCodes.resourceExhausted, tooLarge.message);
      message = messageOfJson(shape, onlyObjectOf(body));
    } catch (error) {
      if (!(error instanceof GrpcStatus)) throw error;
      onMistake(error, isLeft);
      return;
    }
    onMessage(message);
    onEnd();
  });
}

const emptyObject = Buffer.from('{}');
/** Of a body that says nothing by `null`. */
const nothingBytesMax = 64;

function onlyObjectOf(body: Buffer): Uint8Array {
  if (body.length <= nothingBytesMax && body.toString('latin1').trim() === 'null') {
    return emptyObject;
  }
  let only: Uint8Array | undefined;
  const splitter = new JsonSplitter({ bytesMax: body.length, depthMax });
  splitter.push(body, (json) => {
    if (only) throw invalid('the body has more than one message');
    only = json;
  });
  if (splitter.isWithin) throw endsWithin();
  return only ?? emptyObject;
}

/** What is looked at before it is asked whether it is somebody else's turn. */
const pieceBytes = 4096;
/** A part that the network brings may have thirty thousand, of two bytes each. */
const messagesPerTurn = 100;

/** Messages as they come. It owns the timer for one that is begun. */
export class MessageStream {
  readonly #request: IncomingMessage;
  readonly #options: MessageBodyOptions;
  readonly #reader: BodyReader;
  readonly #splitter: JsonSplitter;
  /** Of what came last, what was not looked at. */
  #rest: Buffer = Buffer.alloc(0);
  #unfinished: Timer | undefined;
  #isPaused = false;
  #awaitsTurn = false;
  #isOver = false;

  constructor(request: IncomingMessage, options: MessageBodyOptions, reader: BodyReader) {
    this.#request = request;
    this.#options = options;
    this.#reader = reader;
    this.#splitter = new JsonSplitter({ bytesMax: options.jsonBytesMax, depthMax });
  }

  start(): void {
    this.#request.on('data', (part: Buffer) => {
      this.#rest = part;
      this.#goOn();
    });
    this.#request.once('end', () => this.#end());
    // The client went away: the answer's close says so.
    this.#request.on('error', () => undefined);
  }

  /** What was found already may still be told. */
  pause(): void {
    this.#isPaused = true;
    this.#request.pause();
  }

  resume(): void {
    this.#isPaused = false;
    this.#goOn();
  }

  /** What comes from now on is thrown away. */
  stop(): void {
    this.#isOver = true;
    this.#unfinished?.cancel();
    this.#request.resume();
  }

  #goOn(): void {
    let found = 0;
    while (this.#rest.length > 0 && !this.#isOver) {
      if (this.#isPaused || this.#awaitsTurn) return;
      if (found > messagesPerTurn) return this.#letOthers();
      const piece = this.#rest.subarray(0, pieceBytes);
      this.#rest = this.#rest.subarray(pieceBytes);
      found += this.#split(piece);
    }
    if (!this.#isPaused) this.#request.resume();
  }

  #letOthers(): void {
    this.#awaitsTurn = true;
    this.#request.pause();
    setImmediate(() => {
      this.#awaitsTurn = false;
      this.#goOn();
    });
  }

  /** Answers how many messages were in it. */
  #split(piece: Buffer): number {
    let found = 0;
    try {
      this.#splitter.push(piece, (json) => {
        found += 1;
        this.#settle();
        if (!this.#isOver) this.#reader.onMessage(messageOfJson(this.#options.shape, json));
      });
    } catch (error) {
      if (!(error instanceof GrpcStatus)) throw error;
      this.#mistake(error);
    }
    if (this.#splitter.isWithin && !this.#isOver) this.#expectRest();
    return found;
  }

  #end(): void {
    if (this.#isOver) return;
    if (this.#splitter.isWithin) this.#mistake(endsWithin());
    else this.#reader.onEnd();
  }

  #expectRest(): void {
    const { clock, messageTimeoutMs } = this.#options;
    this.#unfinished ??= clock.schedule(messageTimeoutMs, () => this.#giveUp());
  }

  #giveUp(): void {
    this.#settle();
    if (this.#request.isPaused()) return this.#expectRest(); // It is not the client that waits.
    const text = `a message was begun and not finished in ${this.#options.messageTimeoutMs} ms`;
    this.#mistake(new GrpcStatus(statusCodes.deadlineExceeded, text));
  }

  #settle(): void {
    this.#unfinished?.cancel();
    this.#unfinished = undefined;
  }

  #mistake(status: GrpcStatus): void {
    this.stop();
    this.#reader.onMistake(status, !this.#request.complete);
  }
}

function messageOfJson(shape: MessageShape, json: Uint8Array): FramedMessage {
  const text = toTextStrict(json);
  if (text === undefined) throw invalid('the body is not UTF-8');
  const value = parsed(text);
  return framed({ encode: (one, writer) => writeMessage(shape, one, writer) }, value);
}

function parsed(text: string): unknown {
  try {
    return parseExactly(text);
  } catch (error) {
    throw invalid(`the body is not JSON: ${messageOf(error).split('\n')[0]?.slice(0, 200)}`);
  }
}

const endsWithin = (): GrpcStatus => invalid('the body ends within a message');

const invalid = (message: string): GrpcStatus =>
  new GrpcStatus(statusCodes.invalidArgument, message);
