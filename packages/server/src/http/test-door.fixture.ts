// For the tests of the doors: an app on an engine in memory, and a client that speaks raw bytes.
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';

import type { Clock } from '@holdfast/base/clock';
import { ManualClock } from '@holdfast/base/manual-clock';
import type { ReadOptions } from '@holdfast/engine/engine';
import { MemoryEngine } from '@holdfast/engine/memory-engine';
import type { FastifyInstance } from 'fastify';

import { EngineSlot } from '../engine-slot.ts';
import { buildHttpApp, type HttpAppOptions } from './http-server.ts';

export type TestDoor = {
  readonly app: FastifyInstance;
  readonly engine: MemoryEngine;
  readonly slot: EngineSlot;
  readonly faults: unknown[];
};

export function testDoor(
  options: Partial<HttpAppOptions> & { readonly clock?: Clock } = {},
): TestDoor {
  const clock = options.clock ?? new ManualClock();
  const engine = new MemoryEngine({ clock });
  const slot = new EngineSlot();
  slot.fill(engine);
  const faults: unknown[] = [];
  const onFault = (error: unknown): void => void faults.push(error);
  const app = buildHttpApp({ slot, clock, version: '0.1.0', onFault, ...options });
  return { app, engine, slot, faults };
}

/** Listens on a free port of loopback; answers the port. */
export async function listen(app: FastifyInstance): Promise<number> {
  await app.listen({ host: '127.0.0.1', port: 0 });
  const address = app.server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}

/** What a client keeps of what it was sent: the end of it. */
const keptMax = 64 * 1024;

/** A connection that keeps what it was sent, for tests that break HTTP on purpose. */
export class RawClient {
  readonly socket: Socket;
  received = '';

  private constructor(socket: Socket) {
    this.socket = socket;
    socket.setEncoding('latin1');
    socket.on('data', (text: string) => {
      this.received = (this.received + text).slice(-keptMax);
    });
    // A reset shows as the end of the connection, which is what the tests wait for.
    socket.on('error', () => undefined);
  }

  static async connect(port: number): Promise<RawClient> {
    const socket = connect(port, '127.0.0.1');
    const client = new RawClient(socket);
    await once(socket, 'connect');
    return client;
  }

  send(text: string): void {
    this.socket.write(text, 'latin1');
  }

  /** Resolves when what was received matches. */
  async until(pattern: RegExp): Promise<void> {
    while (!pattern.test(this.received)) await once(this.socket, 'data');
  }

  async closed(): Promise<void> {
    if (!this.socket.closed) await once(this.socket, 'close');
  }

  close(): void {
    this.socket.destroy();
  }
}

/**
 * Looks at each turn of the event loop until `check` throws no more; the test's own limit ends it.
 */
export async function eventually(check: () => void | Promise<void>): Promise<void> {
  for (;;) {
    try {
      await check();
      return;
    } catch {
      // Not yet: what is waited for comes with another turn.
      await new Promise((resolve) => setImmediate(resolve));
    }
  }
}

/** With which options reads are asked for from now on. */
export function readsOf(engine: MemoryEngine): readonly ReadOptions[] {
  const asked: ReadOptions[] = [];
  const range = engine.range.bind(engine);
  engine.range = (request, options) => {
    asked.push(options);
    return range(request, options);
  };
  return asked;
}

/** Of clients, at the server's side. */
export const openConnections = ({ app }: Pick<TestDoor, 'app'>): Promise<number> =>
  new Promise((resolve) => app.server.getConnections((_, count) => resolve(count)));
