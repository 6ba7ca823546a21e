// Writes at a steady pace, whatever the answers do: a write that is kept waiting counts from the
// moment at which it was due, and so do those behind it. A process of its own; it begins with a
// plan and ends when it is told to.
import type { Socket } from 'node:net';

import { messageOf } from '@holdfast/base/errors';

import { Histogram } from './histogram.ts';
import { openSocket } from './open-socket.ts';
import { openWire } from './open-wire.ts';
import type { Wire, WirePlan } from './wire.ts';

export type PacedPlan = {
  readonly by: 'http' | 'frames';
  readonly endpoint: string;
  readonly perSecond: number;
  readonly connections: number;
  readonly keys: number;
  readonly valueBytes: number;
};

export type PacedResult = {
  readonly writes: number;
  readonly seconds: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
  readonly failures: number;
};

/** More than are ever under way: none of them waits for the one before it. */
const ringSize = 1 << 16;

type OnTimedAnswer = (status: number, ms: number) => void;

class PacedConnection {
  readonly #socket: Socket;
  readonly #wire: Wire;
  /** When the write with that number was due. */
  readonly #due = new Map<number, number>();
  #numbered = 0;
  #waiting = 0;

  constructor(socket: Socket, plan: WirePlan, firstKey: number, onAnswer: OnTimedAnswer) {
    this.#socket = socket;
    const endpoint = `${socket.remoteAddress}:${socket.remotePort}`;
    this.#wire = openWire({
      ...{ plan, endpoint, firstKey, ringSize },
      reply: (bytes) => void socket.write(bytes),
      onAnswer: (number, status) => {
        onAnswer(status, performance.now() - (this.#due.get(number) as number));
        this.#due.delete(number);
      },
    });
    socket.on('data', (part: Buffer) => this.#wire.push(part));
    socket.write(this.#wire.opening);
  }

  get underWay(): number {
    return this.#due.size;
  }

  /** It leaves with the next flush. */
  send(dueMs: number): void {
    this.#due.set(this.#numbered, dueMs);
    this.#numbered += 1;
    this.#waiting += 1;
  }

  flush(): void {
    if (this.#waiting === 0) return;
    this.#socket.write(this.#wire.take(this.#waiting));
    this.#waiting = 0;
  }

  close(): void {
    this.#socket.destroy();
  }
}

class PacedLoad {
  readonly #plan: PacedPlan;
  readonly #connections: readonly PacedConnection[];
  readonly #histogram = new Histogram();
  #maxMs = 0;
  #failures = 0;
  #sent = 0;
  #beganMs = 0;
  #timer: NodeJS.Timeout | undefined;

  private constructor(plan: PacedPlan, sockets: readonly Socket[]) {
    this.#plan = plan;
    const first = (at: number): number => Math.floor((plan.keys / plan.connections) * at);
    this.#connections = sockets.map(
      (socket, at) =>
        new PacedConnection(socket, { ...plan, kind: 'put' }, first(at), this.#answer),
    );
  }

  static async open(plan: PacedPlan): Promise<PacedLoad> {
    const opening = Array.from({ length: plan.connections }, () => openSocket(plan.endpoint));
    return new PacedLoad(plan, await Promise.all(opening));
  }

  start(): void {
    this.#beganMs = performance.now();
    this.#timer = setInterval(() => this.#send(), 1);
  }

  async stop(): Promise<PacedResult> {
    clearInterval(this.#timer);
    const seconds = (performance.now() - this.#beganMs) / 1000;
    while (this.#connections.some(({ underWay }) => underWay > 0)) {
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    for (const connection of this.#connections) connection.close();
    const [p50Ms, p99Ms] = [this.#histogram.quantile(0.5), this.#histogram.quantile(0.99)];
    const { count: writes } = this.#histogram;
    return { writes, seconds, p50Ms, p99Ms, maxMs: this.#maxMs, failures: this.#failures };
  }

  /** All that have become due since the last look. */
  #send(): void {
    const { perSecond } = this.#plan;
    const due = Math.floor(((performance.now() - this.#beganMs) * perSecond) / 1000);
    for (; this.#sent < due; this.#sent += 1) {
      const connection = this.#connections[this.#sent % this.#connections.length];
      connection?.send(this.#beganMs + (this.#sent * 1000) / perSecond);
    }
    for (const connection of this.#connections) connection.flush();
  }

  readonly #answer: OnTimedAnswer = (status, ms) => {
    if (status < 200 || status > 299) this.#failures += 1;
    this.#histogram.record(ms);
    this.#maxMs = Math.max(this.#maxMs, ms);
  };
}

let load: PacedLoad | undefined;

async function take(message: PacedPlan | 'stop'): Promise<void> {
  if (message === 'stop') {
    process.send?.({ result: await load?.stop() });
    return;
  }
  load = await PacedLoad.open(message);
  load.start();
  process.send?.({ started: true });
}

process.on('message', (message: PacedPlan | 'stop') => {
  take(message).catch((error: unknown) => process.send?.({ error: messageOf(error) }));
});
// The parent may end without a word.
process.on('disconnect', () => process.exit(0));
