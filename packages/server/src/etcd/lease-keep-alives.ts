// One stream of etcd's LeaseKeepAlive: several are asked of the leader at a time, and answered in
// the order in which they came.
import { isHoldfastError } from '@holdfast/base/errors';
import type { Engine, ResponseHeader } from '@holdfast/engine/engine';
import { LeaseKeepAliveRequest, LeaseKeepAliveResponse } from '@holdfast/proto/etcd';

import {
  decoded,
  type FramedMessage,
  framed,
  type StreamCall,
  type StreamReader,
} from '../grpc/method.ts';
import { etcdStatusOf } from './etcd-status.ts';
import { headerOf } from './response-header.ts';

/** A client that keeps many leases alive asks for all of them at once; it is heard up to here. */
const inFlightMax = 256;

type KeepAlive = { readonly id: bigint; answer: FramedMessage | undefined };

export class LeaseKeepAlives implements StreamReader {
  readonly #call: StreamCall;
  readonly #engine: () => Engine;
  /** In the order in which they came. */
  readonly #asked: KeepAlive[] = [];
  #hasRoom = true;
  #hasEnded = false;

  constructor(call: StreamCall, engine: () => Engine) {
    this.#call = call;
    this.#engine = engine;
  }

  onMessage(message: Uint8Array): void {
    const { ID } = decoded(LeaseKeepAliveRequest, message);
    const keepAlive: KeepAlive = { id: ID, answer: undefined };
    this.#asked.push(keepAlive);
    if (this.#asked.length >= inFlightMax) this.#call.pause();
    void this.#keepAlive(keepAlive); // Ends the call by its own errors.
  }

  onEnd(): void {
    this.#hasEnded = true;
    this.#answer();
  }

  onRoom(): void {
    this.#hasRoom = true;
    this.#answer();
  }

  onGone(): void {
    this.#asked.length = 0;
  }

  async #keepAlive(asked: KeepAlive): Promise<void> {
    try {
      const engine = this.#engine();
      // From before: a revision at which it may have ended must not look as if it still lived.
      const header = engine.header();
      const ttl = await this.#ttlOf(engine, asked.id);
      asked.answer = answerOf(header, asked.id, ttl);
      this.#answer();
    } catch (error) {
      this.#call.end(etcdStatusOf(error));
    }
  }

  /** In seconds; zero for a lease that there is not, as etcd says it. */
  async #ttlOf(engine: Engine, id: bigint): Promise<number> {
    if (id <= 0n) return 0;
    try {
      const { actor, subject, signal } = this.#call;
      const { body } = await engine.leaseKeepAlive(id, { actor, subject, signal });
      return wholeSeconds(body.ttlMs);
    } catch (error) {
      if (isHoldfastError(error, 'not-found')) return 0;
      throw error;
    }
  }

  /** What is known of those that were asked for first. */
  #answer(): void {
    while (this.#hasRoom && this.#asked[0]?.answer) {
      const { answer } = this.#asked.shift() as KeepAlive;
      this.#hasRoom = this.#call.send(answer as FramedMessage);
    }
    if (this.#asked.length < inFlightMax) this.#call.resume();
    if (this.#hasEnded && this.#asked.length === 0) this.#call.end('ok');
  }
}

const answerOf = (header: ResponseHeader, ID: bigint, TTL: number): FramedMessage =>
  framed(LeaseKeepAliveResponse, { header: headerOf(header), ID, TTL });

/** Never more than there are, and none but a lease that is gone has zero. */
export const wholeSeconds = (ttlMs: number): number => Math.max(1, Math.floor(ttlMs / 1000));
