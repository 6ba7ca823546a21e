// One connection of the generator: keeps its share of requests in flight, and stamps each.
import type { Socket } from 'node:net';

import { openSocket } from './open-socket.ts';
import { openWire } from './open-wire.ts';
import type { Wire, WirePlan } from './wire.ts';

/** Answers may overtake each other by so many times the number under way. */
const overtaking = 16;

export type LoadConnectionOptions = {
  readonly plan: WirePlan;
  readonly endpoint: string;
  readonly depth: number;
  readonly firstKey: number;
  /** Told for each answer; says whether another request may go out. */
  readonly onAnswer: (status: number, latencyMs: number) => boolean;
};

export class LoadConnection {
  /** Resolves when all that was sent is answered and no more may go out; rejects when it breaks. */
  readonly finished: Promise<void>;
  readonly #options: LoadConnectionOptions;
  readonly #socket: Socket;
  readonly #wire: Wire;
  /** When each request in flight was sent, as a ring by their numbers. */
  readonly #sentAtMs: Float64Array;
  #sent = 0;
  #answered = 0;
  #toSend = 0;
  #finish: { readonly resolve: () => void; readonly reject: (error: unknown) => void };

  private constructor(options: LoadConnectionOptions, socket: Socket) {
    this.#options = options;
    this.#socket = socket;
    this.#sentAtMs = new Float64Array(options.depth * overtaking);
    const { promise, ...finish } = withResolvers();
    this.finished = promise;
    this.#finish = finish;
    this.#wire = openWire({
      ...options,
      ringSize: this.#sentAtMs.length,
      reply: (bytes) => void socket.write(bytes),
      onAnswer: this.#answer,
    });
    socket.write(this.#wire.opening);
    socket.on('data', (part: Buffer) => this.#receive(part));
    socket.on('error', (error) => this.#finish.reject(error));
    socket.on('close', () => this.#finish.reject(new Error(`${options.endpoint} closed`)));
  }

  static async open(options: LoadConnectionOptions): Promise<LoadConnection> {
    return new LoadConnection(options, await openSocket(options.endpoint));
  }

  start(): void {
    this.#send(this.#options.depth);
  }

  close(): void {
    this.#socket.destroy();
  }

  #receive(part: Buffer): void {
    try {
      this.#toSend = 0;
      this.#wire.push(part);
      if (this.#toSend > 0) this.#send(this.#toSend);
      else if (this.#answered === this.#sent) this.#finish.resolve();
    } catch (error) {
      this.#finish.reject(error);
    }
  }

  readonly #answer = (number: number, status: number): void => {
    const slot = number % this.#sentAtMs.length;
    const sentAtMs = this.#sentAtMs[slot] as number;
    this.#sentAtMs[slot] = 0;
    this.#answered += 1;
    if (this.#options.onAnswer(status, performance.now() - sentAtMs)) this.#toSend += 1;
  };

  #send(count: number): void {
    const nowMs = performance.now();
    for (let at = 0; at < count; at += 1) {
      const slot = this.#sent % this.#sentAtMs.length;
      if (this.#sentAtMs[slot] !== 0) throw new Error('a request was overtaken too often');
      this.#sentAtMs[slot] = nowMs;
      this.#sent += 1;
    }
    this.#socket.write(this.#wire.take(count));
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
