// Where answers of the gateway wait that are made in pieces: one of them grows at a time, and none
// is begun while as much as may be has not been taken. Each counts until its response is closed.
import type { RangeResponse } from '@holdfast/proto/internal';

import { type CallRoom, heededBytes } from '../grpc/call-room.ts';
import {
  ConnectionAnswers,
  type ConnectionAnswersOptions,
  clientGone,
  type UnreadAnswers,
} from '../grpc/unread-answers.ts';
import type { HttpContext } from '../http/http-context.ts';

export type GatewayRoomOptions = {
  readonly context: Pick<HttpContext, 'clock' | 'limits'>;
  /** Where the answer is read. */
  readonly reader: Pick<ConnectionAnswersOptions, 'hasRead' | 'sentBytes' | 'giveUp'>;
  /** Of all calls of the gateway. */
  readonly unread: UnreadAnswers;
  readonly isOver: () => boolean;
  /** Throws where so many bytes are more than a document may have. */
  readonly checkBytes: (bytes: number) => void;
};

export class GatewayRoom implements CallRoom {
  readonly #options: GatewayRoomOptions;
  /** Of an answer that may be long. */
  #answers: ConnectionAnswers | undefined;
  #bytes = 0;

  constructor(options: GatewayRoomOptions) {
    this.#options = options;
  }

  get isFull(): boolean {
    return this.#answers?.isFull ?? false;
  }

  async wait(signal?: AbortSignal): Promise<void> {
    await this.#answers?.wait(this, signal);
  }

  expect(): void {}

  heed(body: RangeResponse): void {
    if (!this.#answers || this.#options.isOver()) return;
    const bytes = heededBytes(body);
    this.#bytes += bytes;
    this.#answers.change(this, bytes);
    this.#options.checkBytes(this.#bytes);
  }

  asLong(): CallRoom {
    const { context, reader, unread, isOver } = this.#options;
    if (isOver()) return this; // Nobody would close what is opened now.
    const { clock, limits } = context;
    this.#answers = new ConnectionAnswers({
      ...reader,
      ...{ whole: unread, clock, unreadMs: limits.unreadMs },
    });
    return this;
  }

  begin(): boolean {
    return !this.#options.isOver() && (this.#answers?.beginLong(this) ?? true);
  }

  async turn(signal?: AbortSignal): Promise<void> {
    await this.#answers?.turn(this, signal);
    await new Promise((resolve) => setImmediate(resolve));
    if (this.#options.isOver()) throw clientGone();
    signal?.throwIfAborted();
  }

  /** All is made. */
  endTurn(): void {
    this.#answers?.endLong(this);
  }

  /**
   * All is there to be read: whoever takes nothing of it makes way for those who wait. Answers
   * whether it is counted here; the gate of big answers sees to what is not.
   */
  made(): boolean {
    if (!this.#answers || this.#bytes === 0) return false;
    this.#answers.made(this.#bytes);
    return true;
  }

  /** Its response is closed. */
  close(): void {
    this.#answers?.endLong(this);
    this.#answers?.end(this, this.#bytes);
    this.#answers?.close();
    this.#answers = undefined;
  }
}
