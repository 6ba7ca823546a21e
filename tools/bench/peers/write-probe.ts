// Asks one member for writes, one every few milliseconds whatever becomes of those before, and over
// a new connection whenever the old one is gone: to see when it serves (again).
import { connect, type Socket } from 'node:net';

import type { WireProtocol } from '../load-plan.ts';
import { openWire } from '../open-wire.ts';
import type { Wire } from '../wire.ts';

const everyMs = 5;
const giveUpMs = 60_000;
/** More than are sent on a connection before it gives up. */
const ringSize = 1 << 14;

/** The keys that a probe writes must be there already. */
export const probeKeys = 100;

export class WriteProbe {
  readonly #endpoint: string;
  readonly #by: WireProtocol;
  #socket: Socket | undefined;
  #wire: Wire | undefined;
  #isClosed = false;
  #onWritten: () => void = () => undefined;
  #onGivenUp: (error: Error) => void = () => undefined;

  /** Connects, and writes nothing yet. */
  constructor(endpoint: string, by: WireProtocol) {
    this.#endpoint = endpoint;
    this.#by = by;
    this.#connect();
  }

  /**
   * Writes from now on until one is acknowledged. Rejects after a minute, and when it is closed.
   */
  async firstWrite(): Promise<void> {
    const written = new Promise<void>((resolve, reject) => {
      this.#onWritten = resolve;
      this.#onGivenUp = reject;
    });
    const error = new Error(`${this.#endpoint} took no write for ${giveUpMs / 1000} s`);
    const late = setTimeout(() => this.#onGivenUp(error), giveUpMs);
    const timer = setInterval(() => this.#write(), everyMs);
    this.#write();
    try {
      await written;
    } finally {
      clearInterval(timer);
      clearTimeout(late);
    }
  }

  close(): void {
    this.#isClosed = true;
    this.#socket?.destroy();
    this.#onGivenUp(new Error('the probe was closed'));
  }

  #write(): void {
    if (this.#wire) this.#socket?.write(this.#wire.take(1));
  }

  #connect(): void {
    const [host, port] = this.#endpoint.split(':') as [string, string];
    const socket = connect({ host, port: Number(port), noDelay: true });
    this.#socket = socket;
    socket.on('connect', () => {
      const wire = this.#wireOn(socket);
      socket.write(wire.opening);
      socket.on('data', (part: Buffer) => {
        try {
          wire.push(part);
        } catch {
          socket.destroy(); // It was sent away: another connection will tell.
        }
      });
      this.#wire = wire;
    });
    socket.on('error', () => undefined); // Its close follows.
    socket.on('close', () => {
      this.#wire = undefined;
      if (!this.#isClosed) setTimeout(() => this.#isClosed || this.#connect(), everyMs);
    });
  }

  #wireOn(socket: Socket): Wire {
    return openWire({
      plan: { kind: 'put', by: this.#by, keys: probeKeys, valueBytes: 256 },
      ...{ endpoint: this.#endpoint, firstKey: 0, ringSize },
      reply: (bytes) => void socket.write(bytes),
      onAnswer: (_number, status) => {
        if (status === 200) this.#onWritten();
      },
    });
  }
}
