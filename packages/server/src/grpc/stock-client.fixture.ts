// For the tests of gRPC: the stock client of Node programs, and a door that serves the methods of
// the test.
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import {
  type CallOptions,
  Client,
  credentials,
  type Metadata,
  type ServiceError,
} from '@grpc/grpc-js';
import { SystemClock } from '@holdfast/base/system-clock';

import { EngineSlot } from '../engine-slot.ts';
import { heedSpeakers, http2Magic } from '../http/first-bytes.ts';
import type { HttpContext } from '../http/http-context.ts';
import { contextOf } from '../http/http-server.ts';
import { GrpcDoor } from './grpc-door.ts';
import type { GrpcMethods } from './method.ts';

export type ServedMethods = {
  readonly address: string;
  /** Calls under way, for which the door would be held open. */
  readonly context: HttpContext;
  close(): Promise<void>;
};

export async function serveMethods(
  methods: GrpcMethods,
  { callTimeoutMs = 30_000, messageBytesMax = 2 * 1024 * 1024 } = {},
): Promise<ServedMethods> {
  const slot = new EngineSlot();
  const context = contextOf({
    ...{ slot, clock: new SystemClock(), version: '0.1.0' },
    limits: { callTimeoutMs },
  });
  const door = new GrpcDoor({ context, methods, messageBytesMax, onTurnedAway: () => undefined });
  const server = createServer();
  const speakers = [{ magic: http2Magic, accept: (socket: Socket) => door.accept(socket) }];
  heedSpeakers(server, { event: 'connection', speakers });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const close = async (): Promise<void> => {
    door.close();
    server.close();
    await once(server, 'close');
    context.deadlines.close();
  };
  const { port } = server.address() as AddressInfo;
  return { address: `127.0.0.1:${port}`, context, close };
}

const same = (bytes: Buffer): Buffer => bytes;

/** The stock client, of bytes. */
export class StockClient {
  readonly #client: Client;

  constructor(address: string, options: Record<string, number> = {}) {
    this.#client = new Client(address, credentials.createInsecure(), options);
  }

  /** Rejects with a ServiceError: `code`, `details`. */
  unary(path: string, message: Uint8Array, call: Call = {}): Promise<Buffer> {
    return this.begin(path, message, call).answer;
  }

  /** A call that may be cancelled. */
  begin(path: string, message: Uint8Array, { metadata, ...options }: Call = {}) {
    let cancel = (): void => undefined;
    const answer = new Promise<Buffer>((resolve, reject) => {
      const done = (error: ServiceError | null, value?: Buffer): void =>
        error ? reject(error) : resolve(value as Buffer);
      const request = Buffer.from(message);
      const call = metadata
        ? this.#client.makeUnaryRequest(path, same, same, request, metadata, options, done)
        : this.#client.makeUnaryRequest(path, same, same, request, options, done);
      cancel = () => call.cancel();
    });
    return { answer, cancel: () => cancel() };
  }

  serverStream(path: string, message: Uint8Array, options: CallOptions = {}) {
    return this.#client.makeServerStreamRequest(path, same, same, Buffer.from(message), options);
  }

  bidi(path: string, options: CallOptions = {}) {
    return this.#client.makeBidiStreamRequest(path, same, same, options);
  }

  close(): void {
    this.#client.close();
  }
}

type Call = CallOptions & { readonly metadata?: Metadata };
