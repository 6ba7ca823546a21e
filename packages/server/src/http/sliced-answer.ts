// A JSON answer in slices: the next one is made when the socket has taken the last one and the gate
// gives a turn. An error before the first slice is a plain problem; after it nothing can be told,
// so the connection is broken, which no client takes for the end of the answer.
import type { ServerResponse } from 'node:http';

import { HoldfastError, isHoldfastError } from '@holdfast/base/errors';
import type { FastifyReply } from 'fastify';

import { houseSign } from './house-sign.ts';
import type { HttpContext } from './http-context.ts';

export type Slice = { readonly bytes: Buffer; readonly isLast: boolean };

export class SlicedAnswer {
  readonly #context: HttpContext;
  readonly #reply: FastifyReply;
  readonly #make: () => Promise<Slice>;
  readonly #gone = new AbortController();

  constructor(context: HttpContext, reply: FastifyReply, make: () => Promise<Slice>) {
    this.#context = context;
    this.#reply = reply;
    this.#make = make;
    const onGone = (): void => this.#gone.abort(clientGone());
    if (reply.raw.destroyed) onGone();
    else reply.raw.once('close', onGone);
  }

  /** Resolves when all was taken or the client has gone; rejects while it can still be told why. */
  async send(signal: AbortSignal): Promise<void> {
    const { answers } = this.#context;
    const write = (): Promise<Written> => this.#write();
    let written = await answers.first(write, AbortSignal.any([signal, this.#gone.signal]));
    try {
      while (!written.isLast) {
        await written.taken;
        written = await answers.next(write, this.#gone.signal);
      }
      await written.taken;
    } catch (error) {
      this.#breakOff(error);
    }
  }

  /** A slice is held from when it is made until the socket has taken it or is closed. */
  async #write(): Promise<Written> {
    const { bytes, isLast } = await this.#make();
    this.#gone.signal.throwIfAborted();
    if (!this.#reply.sent) this.#begin();
    const { raw } = this.#reply;
    const taken = new Promise<void>((resolve) => {
      const release = this.#context.answers.hold(bytes.length, () => raw.destroy());
      const onTaken = (): void => {
        raw.off('close', onTaken);
        release();
        resolve();
      };
      raw.once('close', onTaken);
      if (isLast) raw.end(bytes, onTaken);
      else raw.write(bytes, onTaken);
    });
    return { taken, isLast };
  }

  /** The head goes with the first slice: a short answer tells its length by that. */
  #begin(): void {
    this.#reply.hijack();
    const { raw } = this.#reply;
    raw.statusCode = 200;
    raw.setHeader('Content-Type', 'application/json; charset=utf-8');
    raw.setHeader(houseSign.name, houseSign.value);
  }

  #breakOff(error: unknown): void {
    if (this.#gone.signal.aborted) return;
    if (!isHoldfastError(error)) this.#context.onFault(error, this.#reply.request.url);
    const { raw }: { readonly raw: ServerResponse } = this.#reply;
    raw.destroy();
  }
}

type Written = { readonly taken: Promise<void>; readonly isLast: boolean };

const clientGone = (): HoldfastError => new HoldfastError('cancelled', 'the client has gone');
