// Watch fan-out: many watchers of one key, spread over all members, and how long it takes from a
// write until the last of them knows.
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';

import type { WireProtocol } from '../load-plan.ts';
import { openWire } from '../open-wire.ts';
import type { Wire } from '../wire.ts';
import { watchers } from './figure.ts';
import { GrpcWatch } from './grpc-watch.ts';
import { median } from './statistics.ts';
import type { WatchConnection } from './watch-connection.ts';
import { ZookeeperWatch } from './zookeeper-watch.ts';

const key = 'bench-00000000';
/** As of 1,000 clients elsewhere; ZooKeeper needs one for each. */
const grpcConnections = 48;
/** Writes that are not counted, and those that are. */
const [warmup, counted] = [10, 20];
const withinMs = 30_000;

/** The median of some writes, in milliseconds. Rejects with `NotServed` where there is no watch. */
export async function fanOutMs(
  endpoints: readonly string[],
  by: WireProtocol,
): Promise<number | undefined> {
  const writer = await Writer.open(endpoints[0] as string, by);
  const crowd = new Crowd(endpoints, by);
  try {
    await crowd.opened;
    const values: number[] = [];
    for (let write = 0; write < warmup + counted; write += 1) {
      const toldMs = crowd.untilAllTold();
      const startMs = performance.now();
      writer.write();
      values.push((await toldMs) - startMs);
    }
    return median(values.slice(warmup));
  } finally {
    crowd.close();
    writer.close();
  }
}

class Crowd {
  readonly opened: Promise<unknown>;
  readonly #connections: readonly WatchConnection[];
  #told = 0;
  #onAllTold: () => void = () => undefined;

  constructor(endpoints: readonly string[], by: WireProtocol) {
    const count = by === 'zookeeper' ? watchers : grpcConnections;
    this.#connections = Array.from({ length: count }, (_, at) => {
      const share = Math.floor((watchers * (at + 1)) / count) - Math.floor((watchers * at) / count);
      const endpoint = endpoints[at % endpoints.length] as string;
      const options = { endpoint, watchers: share, onEvent: () => this.#onEvent() };
      return by === 'zookeeper' ? new ZookeeperWatch(options, key) : new GrpcWatch(options, key);
    });
    this.opened = Promise.all(this.#connections.map((connection) => connection.opened));
  }

  /** When the last one knew of the next write, by `performance.now()`. */
  untilAllTold(): Promise<number> {
    this.#told = 0;
    return new Promise((resolve, reject) => {
      const late = (): void => reject(new Error(`${this.#told} of ${watchers} watchers knew`));
      const timer = setTimeout(late, withinMs);
      this.#onAllTold = () => {
        clearTimeout(timer);
        resolve(performance.now());
      };
    });
  }

  close(): void {
    for (const connection of this.#connections) connection.close();
  }

  #onEvent(): void {
    this.#told += 1;
    if (this.#told === watchers) this.#onAllTold();
  }
}

class Writer {
  readonly #socket: Socket;
  readonly #wire: Wire;

  private constructor(socket: Socket, endpoint: string, by: WireProtocol) {
    this.#socket = socket;
    this.#wire = openWire({
      plan: { kind: 'put', by, keys: 1, valueBytes: 256 },
      ...{ endpoint, firstKey: 0, ringSize: warmup + counted },
      reply: (bytes) => void socket.write(bytes),
      // A write that failed shows as watchers that are never told.
      onAnswer: () => undefined,
    });
    socket.on('data', (part: Buffer) => this.#wire.push(part));
    socket.on('error', () => undefined); // As above.
    socket.write(this.#wire.opening);
  }

  static async open(endpoint: string, by: WireProtocol): Promise<Writer> {
    const [host, port] = endpoint.split(':') as [string, string];
    const socket = connect({ host, port: Number(port), noDelay: true });
    await once(socket, 'connect');
    return new Writer(socket, endpoint, by);
  }

  write(): void {
    this.#socket.write(this.#wire.take(1));
  }

  close(): void {
    this.#socket.destroy();
  }
}
