// One connection of the generator: keeps its share of requests in flight, and stamps each.
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';

import type { RequestWriter } from './request-writer.ts';
import { ResponseParser } from './response-parser.ts';

export type LoadConnectionOptions = {
  readonly endpoint: string;
  readonly depth: number;
  readonly writer: RequestWriter;
  /** Told for each answer; says whether another request may go out. */
  readonly onAnswer: (status: number, latencyMs: number) => boolean;
};

export class LoadConnection {
  /** Resolves when all that was sent is answered and no more may go out; rejects when it breaks. */
  readonly finished: Promise<void>;
  readonly #options: LoadConnectionOptions;
  readonly #socket: Socket;
  /** When each request in flight was sent, as a ring in the order of their answers. */
  readonly #sentAtMs: Float64Array;
  #sent = 0;
  #answered = 0;
  #toSend = 0;
  #finish: { readonly resolve: () => void; readonly reject: (error: unknown) => void };

  private constructor(options: LoadConnectionOptions, socket: Socket) {
    this.#options = options;
    this.#socket = socket;
    this.#sentAtMs = new Float64Array(options.depth);
    const { promise, ...finish } = withResolvers();
    this.finished = promise;
    this.#finish = finish;
    const parser = new ResponseParser((status) => this.#answer(status));
    socket.on('data', (part: Buffer) => this.#receive(parser, part));
    socket.on('error', (error) => this.#finish.reject(error));
    socket.on('close', () => this.#finish.reject(new Error(`${options.endpoint} closed`)));
  }

  static async open(options: LoadConnectionOptions): Promise<LoadConnection> {
    const colon = options.endpoint.lastIndexOf(':');
    const host = options.endpoint.slice(0, colon);
    const port = Number(options.endpoint.slice(colon + 1));
    const socket = connect({ host, port, noDelay: true });
    await once(socket, 'connect');
    return new LoadConnection(options, socket);
  }

  start(): void {
    this.#send(this.#options.depth);
  }

  close(): void {
    this.#socket.destroy();
  }

  #receive(parser: ResponseParser, part: Buffer): void {
    try {
      this.#toSend = 0;
      parser.push(part);
      if (this.#toSend > 0) this.#send(this.#toSend);
      else if (this.#answered === this.#sent) this.#finish.resolve();
    } catch (error) {
      this.#finish.reject(error);
    }
  }

  #answer(status: number): void {
    const sentAtMs = this.#sentAtMs[this.#answered % this.#options.depth] as number;
    this.#answered += 1;
    if (this.#options.onAnswer(status, performance.now() - sentAtMs)) this.#toSend += 1;
  }

  #send(count: number): void {
    const nowMs = performance.now();
    for (let at = 0; at < count; at += 1) {
      this.#sentAtMs[this.#sent % this.#options.depth] = nowMs;
      this.#sent += 1;
    }
    this.#socket.write(this.#options.writer.take(count));
  }
}

function withResolvers() {
  let resolve: () => void = () => undefined;
  let reject: (error: unknown) => void = () => undefined;
  const promise = new Promise<void>((onResolve, onReject) => {
    resolve = onResolve;
    reject = onReject;
  });
  return { promise, resolve, reject };
}
