// A call on a stream of HTTP/2: what its answer begins and ends with, and what it holds.
import type { RangeResponse } from '@holdfast/proto/internal';

import { errorCodes } from '../http2/frame.ts';
import { encodeHeaders } from '../http2/header-encoder.ts';
import type { ServerStream, StreamReader } from '../http2/server-stream.ts';
import type { ByteBudget } from './byte-budget.ts';
import { type CallRoom, heededBytes } from './call-room.ts';
import type { CallReader, CallStream } from './call-stream.ts';
import type { FramedMessage, UnaryAnswer } from './method.ts';
import { encodeStatusMessage, type GrpcStatus } from './status.ts';
import { type ConnectionAnswers, clientGone } from './unread-answers.ts';

const answerFields = [
  [':status', '200'],
  ['content-type', 'application/grpc'],
] as const;
const answerHead = encodeHeaders(answerFields);
const okTrailers = encodeHeaders([['grpc-status', '0']]);

/** What a client may send on a stream that is not read. */
export const windowBytes = 256 * 1024;
/** Of the sentence in which a call ends, so that it fits the head of any client. */
const statusMessageMax = 4096;

/** What the calls of a connection hold together. */
export type CallAccounts = {
  readonly held: ByteBudget;
  /** Of `held`: by those of which it is not known yet who makes them. */
  readonly heldBack: ByteBudget;
  readonly answers: ConnectionAnswers;
  /** Those that may be long: they wait for each other, and keep no others waiting. */
  readonly longAnswers: ConnectionAnswers;
};

export class Http2CallStream implements CallStream, CallRoom, StreamReader {
  readonly path: string;
  readonly #stream: ServerStream;
  readonly #accounts: CallAccounts;
  #answers: ConnectionAnswers;
  #reader: CallReader | undefined;
  #hasBegun = false;
  #isPaused = false;
  /** Paused for want of a reader, and by nobody else. */
  #isHeldBack = false;
  /** Counted among those that are held back. */
  #isWaiting = false;
  /** Its answer is made in pieces, and is not whole yet. */
  #isLong = false;
  #heldBytes = 0;
  #unreadBytes = 0;
  #madeBytes = 0;

  constructor(stream: ServerStream, accounts: CallAccounts) {
    this.#stream = stream;
    this.#accounts = accounts;
    this.#answers = accounts.answers;
    this.path = stream.headers.get(':path') ?? '';
    stream.open(this);
  }

  header(name: string): string | undefined {
    return this.#stream.headers.get(name);
  }

  open(reader: CallReader): void {
    this.#reader = reader;
  }

  send(message: FramedMessage): boolean {
    if (this.isGone) return false;
    this.#begin();
    return this.#stream.send(message);
  }

  end(status: GrpcStatus | 'ok', answer?: UnaryAnswer): void {
    if (this.isGone) return;
    this.#endLong();
    if (status !== 'ok') {
      this.#grow(-this.#unreadBytes); // There will be no answer, whatever was counted for it.
      const fields = trailersOf(status);
      this.#stream.end(encodeHeaders(this.#hasBegun ? fields : [...answerFields, ...fields]));
      return;
    }
    this.#begin();
    if (answer instanceof Uint8Array) this.#sendAll([answer]);
    else if (answer) this.#sendAll(answer);
    this.#stream.end(okTrailers);
  }

  get unsentBytes(): number {
    return this.#stream.unsentBytes;
  }

  abandon(): void {
    // Clients of etcd resume after this code as after UNAVAILABLE.
    this.#stream.reset(errorCodes.internalError);
  }

  pause(): boolean {
    this.#isHeldBack = false;
    if (this.#isPaused) return true;
    if (!this.hold(windowBytes)) return false;
    this.#isPaused = true;
    this.#stream.pause();
    return true;
  }

  resume(): void {
    this.#isHeldBack = false;
    if (!this.#isPaused) return;
    this.#isPaused = false;
    this.hold(-windowBytes);
    this.#stream.resume();
  }

  /** Before `open`, where that has to wait: else what comes would be lost. False: no room. */
  holdBack(): boolean {
    this.#isWaiting = this.#accounts.heldBack.take(windowBytes);
    if (!this.#isWaiting) return false;
    const hasRoom = this.pause();
    if (!hasRoom) this.#waitNoMore();
    this.#isHeldBack = hasRoom;
    return hasRoom;
  }

  /** After `open`; what the reader has paused since stays so. */
  letGo(): void {
    this.#waitNoMore();
    if (this.#isHeldBack) this.resume();
  }

  hold(bytes: number): boolean {
    if (this.isGone) return true; // It is over before anything comes of it.
    if (bytes < 0) this.#accounts.held.give(-bytes);
    else if (!this.#accounts.held.take(bytes)) return false;
    this.#heldBytes += bytes;
    return true;
  }

  get isGone(): boolean {
    return this.#stream.isGone;
  }

  get room(): CallRoom {
    return this;
  }

  /** For one who has gone there is no room: nothing is made for nobody. */
  get isFull(): boolean {
    return this.isGone || this.#answers.isFull;
  }

  async wait(signal?: AbortSignal): Promise<void> {
    if (!this.isGone) await this.#answers.wait(this, signal);
    if (this.isGone) throw clientGone();
  }

  expect(bytes: number): void {
    if (!this.isGone) this.#grow(bytes);
  }

  heed(body: RangeResponse): void {
    if (!this.isGone) this.#grow(heededBytes(body));
  }

  asLong(): CallRoom {
    this.#answers = this.#accounts.longAnswers;
    return this;
  }

  begin(): boolean {
    if (this.isGone) return false;
    this.#isLong = true;
    return this.#answers.beginLong(this);
  }

  async turn(signal?: AbortSignal): Promise<void> {
    if (!this.isGone) await this.#answers.turn(this, signal);
    await new Promise((resolve) => setImmediate(resolve));
    if (this.isGone) throw clientGone();
    signal?.throwIfAborted();
  }

  onData(bytes: Uint8Array): void {
    this.#reader?.onBytes(bytes);
  }

  onEnd(): void {
    this.#reader?.onEnd();
  }

  onRoom(): void {
    this.#reader?.onRoom?.();
  }

  onGone(): void {
    this.#endLong();
    const { held } = this.#accounts;
    held.give(this.#heldBytes);
    this.#heldBytes = 0;
    this.#waitNoMore();
    this.#answers.made(-this.#madeBytes);
    this.#answers.end(this, this.#unreadBytes);
    this.#unreadBytes = 0;
    this.#reader?.onGone();
  }

  #waitNoMore(): void {
    if (this.#isWaiting) this.#accounts.heldBack.give(windowBytes);
    this.#isWaiting = false;
  }

  #endLong(): void {
    if (this.#isLong) this.#answers.endLong(this);
    this.#isLong = false;
  }

  #sendAll(pieces: readonly Uint8Array[]): void {
    const bytes = pieces.reduce((sum, { length }) => sum + length, 0);
    this.#grow(bytes - this.#unreadBytes);
    this.#madeBytes = bytes;
    this.#answers.made(bytes);
    for (const piece of pieces) this.#stream.send(piece);
  }

  #grow(bytes: number): void {
    this.#unreadBytes += bytes;
    this.#answers.change(this, bytes);
  }

  #begin(): void {
    if (this.#hasBegun) return;
    this.#hasBegun = true;
    this.#stream.respond(answerHead);
  }
}

const trailersOf = ({ code, message }: GrpcStatus) =>
  [
    ['grpc-status', String(code)],
    ['grpc-message', cut(encodeStatusMessage(message))],
  ] as const;

/** Not within what was percent-encoded. */
const cut = (text: string): string =>
  text.length <= statusMessageMax ? text : text.slice(0, statusMessageMax).replace(/%.?$/, '');
