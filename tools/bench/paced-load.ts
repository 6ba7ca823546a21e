// Writes at a steady pace, whatever the answers do: a write that is kept waiting counts from the
// moment at which it was due, and so do those behind it. A process of its own; it begins with a
// plan and ends when it is told to.
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';

import { messageOf } from '@holdfast/base/errors';
import { SystemClock } from '@holdfast/base/system-clock';
import { FrameConnection, noOptions } from '@holdfast/client/frame-connection';
import { TcpNetwork } from '@holdfast/transport/tcp-link';

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

  close(): void {
    this.#socket.destroy();
  }
}

/** Keys in turn, as RequestWriter does it. */
class FramesConnection implements PacedConnection {
  readonly #connection: FrameConnection;
  readonly #plan: PacedPlan;
  readonly #onAnswer: (status: number, ms: number) => void;
  readonly #value: Uint8Array;
  #next: number;

  constructor(
    connection: FrameConnection,
    { plan, first }: { readonly plan: PacedPlan; readonly first: number },
    onAnswer: (status: number, ms: number) => void,
  ) {
    this.#connection = connection;
    this.#plan = plan;
    this.#onAnswer = onAnswer;
    this.#value = new Uint8Array(plan.valueBytes).fill(118);
    this.#next = first;
  }

  get underWay(): number {
    return this.#connection.underWay;
  }

  send(dueMs: number): void {
    const key = Buffer.from(`bench-${String(this.#next).padStart(8, '0')}`);
    this.#next = (this.#next + 1) % this.#plan.keys;
    const value = { keyspace: 0, key, value: this.#value, lease: 0n };
    const flags = { prevKv: false, ignoreValue: false, ignoreLease: false };
    const answer = (status: number): void => this.#onAnswer(status, performance.now() - dueMs);
    this.#connection
      .call({ ...noOptions, request: { $case: 'put', value: { ...value, ...flags } } })
      .then(() => answer(200))
      .catch(() => answer(500));
  }

  close(): void {
    this.#connection.close();
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
    const each = <T>(open: () => Promise<T>): Promise<T[]> =>
      Promise.all(Array.from({ length: plan.connections }, open));
    if (plan.by === 'frames') {
      const opened = await each(() => openFrames(plan));
      return new PacedLoad(plan, (load) =>
        opened.map((one, at) => new FramesConnection(one, { plan, first: first(at) }, load.answer)),
      );
    }
    const sockets = await each(() => openSocket(plan));
    return new PacedLoad(plan, (load) =>
      sockets.map((socket, at) => {
        const writer = new RequestWriter(loadPlanOf(plan), plan.endpoint, first(at));
        return new HttpConnection(socket, writer, load.answer);
      }),
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
  }

  /** One has come. */
  readonly answer = (status: number, ms: number): void => {
    if (status < 200 || status > 299) this.#failures += 1;
    this.#histogram.record(ms);
    this.#maxMs = Math.max(this.#maxMs, ms);
  };
}

function openFrames({ endpoint: address }: PacedPlan): Promise<FrameConnection> {
  const parts = { network: new TcpNetwork(), clock: new SystemClock() };
  return FrameConnection.open({ ...parts, address, actor: 'bench', timeoutMs: 5000 });
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
