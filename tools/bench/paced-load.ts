// Writes at a steady pace, whatever the answers do: a write that is kept waiting counts from the
// moment at which it was due, and so do those behind it. A process of its own; it begins with a
// plan and ends when it is told to.
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';

import { messageOf } from '@holdfast/base/errors';
import {
  clientDialect,
  type Frame,
  FrameParser,
  frameKinds,
  payloadBytesMax,
} from '@holdfast/transport/frame';

import { readAnswers } from './frame-answers.ts';
import { FrameWriter, idFirst } from './frame-writer.ts';
import { Histogram } from './histogram.ts';
import type { LoadPlan } from './load-plan.ts';
import { RequestWriter } from './request-writer.ts';
import { ResponseParser } from './response-parser.ts';

export type PacedPlan = {
  /** How it speaks with the member. */
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

/** Over which a write leaves when it is due. */
interface PacedConnection {
  readonly underWay: number;
  send(dueMs: number): void;
  /** What was sent leaves now at the latest. */
  flush(): void;
  close(): void;
}

class HttpConnection implements PacedConnection {
  readonly #socket: Socket;
  readonly #writer: RequestWriter;
  /** When each request under way was due, in the order of their answers. */
  readonly #due: number[] = [];

  constructor(
    socket: Socket,
    writer: RequestWriter,
    onAnswer: (status: number, ms: number) => void,
  ) {
    this.#socket = socket;
    this.#writer = writer;
    const parser = new ResponseParser((status) => {
      onAnswer(status, performance.now() - (this.#due.shift() as number));
    });
    socket.on('data', (part: Buffer) => parser.push(part));
  }

  get underWay(): number {
    return this.#due.length;
  }

  send(dueMs: number): void {
    this.#due.push(dueMs);
    this.#socket.write(this.#writer.take(1));
  }

  flush(): void {
    // A request is a write of its own.
  }

  close(): void {
    this.#socket.destroy();
  }
}

class FramesConnection implements PacedConnection {
  readonly #socket: Socket;
  readonly #writer: FrameWriter;
  /** When the write with that id was due. */
  readonly #due = new Map<number, number>();
  #id = idFirst;
  #waiting = 0;

  constructor(socket: Socket, writer: FrameWriter, onAnswer: (status: number, ms: number) => void) {
    this.#socket = socket;
    this.#writer = writer;
    const parser = new FrameParser({ payloadBytesMax, dialect: clientDialect });
    const onFrame = (frame: Frame): void => {
      if (frame.kind !== frameKinds.clientResponses) return;
      readAnswers(frame, (id, isGood) => {
        onAnswer(isGood ? 200 : 500, performance.now() - (this.#due.get(id) as number));
        this.#due.delete(id);
      });
    };
    socket.on('data', (part: Buffer) => parser.push(part, onFrame));
    socket.write(FrameWriter.greeting('bench'));
  }

  get underWay(): number {
    return this.#due.size;
  }

  send(dueMs: number): void {
    this.#due.set(this.#id + this.#waiting, dueMs);
    this.#waiting += 1;
  }

  flush(): void {
    if (this.#waiting === 0) return;
    this.#socket.write(this.#writer.take(this.#waiting, this.#id));
    this.#id += this.#waiting;
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

  private constructor(plan: PacedPlan, open: (load: PacedLoad) => readonly PacedConnection[]) {
    this.#plan = plan;
    this.#connections = open(this);
  }

  static async open(plan: PacedPlan): Promise<PacedLoad> {
    const first = (at: number): number => Math.floor((plan.keys / plan.connections) * at);
    const opening = Array.from({ length: plan.connections }, () => openSocket(plan));
    const sockets = await Promise.all(opening);
    return new PacedLoad(plan, (load) =>
      sockets.map((socket, at) =>
        plan.by === 'frames'
          ? new FramesConnection(socket, new FrameWriter(plan, first(at)), load.answer)
          : new HttpConnection(
              socket,
              new RequestWriter(loadPlanOf(plan), plan.endpoint, first(at)),
              load.answer,
            ),
      ),
    );
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

  /** One has come. */
  readonly answer = (status: number, ms: number): void => {
    if (status < 200 || status > 299) this.#failures += 1;
    this.#histogram.record(ms);
    this.#maxMs = Math.max(this.#maxMs, ms);
  };
}

async function openSocket({ endpoint }: PacedPlan): Promise<Socket> {
  const [host, port] = endpoint.split(':') as [string, string];
  const socket = connect({ host, port: Number(port), noDelay: true });
  await once(socket, 'connect');
  return socket;
}

const loadPlanOf = ({ endpoint, connections, keys, valueBytes }: PacedPlan): LoadPlan => ({
  kind: 'put',
  endpoints: [endpoint],
  connections,
  inFlight: connections,
  keys,
  valueBytes,
  durationMs: undefined,
  requests: undefined,
});

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
