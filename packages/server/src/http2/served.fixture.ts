// For the tests of HTTP/2: a server on loopback that notes what its streams are told, and clients
// that speak frame by frame. Its dispose closes everything.
import { once } from 'node:events';
import { type AddressInfo, createServer, type Server } from 'node:net';
import { SystemClock } from '@holdfast/base/system-clock';

import {
  callFrames,
  frameTypes,
  pingFrame,
  RawHttp2,
  settingsFrame,
} from '../grpc/raw-http2.fixture.ts';
import { encodeHeaders } from './header-encoder.ts';
import { type ConnectionOptions, ServerConnection } from './server-connection.ts';
import type { ServerStream, StreamReader } from './server-stream.ts';

const head = encodeHeaders([[':status', '200']]);
const end = encodeHeaders([['grpc-status', '0']]);

/** A stream, and what it was told. */
export class Heard implements StreamReader {
  readonly stream: ServerStream;
  readonly events: string[] = [];
  readonly data: Buffer[] = [];
  onHeardEnd: () => void = () => undefined;

  constructor(stream: ServerStream) {
    this.stream = stream;
    stream.open(this);
  }

  get bytes(): Buffer {
    return Buffer.concat(this.data);
  }

  onData(bytes: Uint8Array): void {
    this.data.push(Buffer.from(bytes));
  }

  onEnd(): void {
    this.events.push('end');
    this.onHeardEnd();
  }

  onRoom(): void {
    this.events.push('room');
  }

  onGone(): void {
    this.events.push('gone');
  }

  answer(...messages: readonly Uint8Array[]): void {
    this.stream.respond(head);
    for (const message of messages) this.stream.send(message);
    this.stream.end(end);
  }
}

type ServedOptions = Partial<ConnectionOptions> & {
  readonly onHeard?: (heard: Heard) => void;
};

export const connectionOptions = (options: Partial<ConnectionOptions>): ConnectionOptions => ({
  clock: new SystemClock(),
  streamsMax: 100,
  windowBytes: 65_536,
  connectionWindowBytes: 1024 * 1024,
  onStream: () => undefined,
  onIntroduced: () => undefined,
  onOver: () => undefined,
  ...options,
});

export class Served implements AsyncDisposable {
  readonly heard: Heard[] = [];
  readonly connections: ServerConnection[] = [];
  /** Why connections were over. */
  readonly over: (string | undefined)[] = [];
  readonly #server: Server;
  readonly #clients: RawHttp2[] = [];

  private constructor({ onHeard, ...options }: ServedOptions) {
    const onStream = (stream: ServerStream): void => {
      const heard = new Heard(stream);
      this.heard.push(heard);
      onHeard?.(heard);
    };
    const onOver = (reason: string | undefined): void => void this.over.push(reason);
    const ofConnection = connectionOptions({ ...options, onStream, onOver });
    this.#server = createServer({ pauseOnConnect: true }, (socket) => {
      this.connections.push(new ServerConnection(socket, ofConnection));
    });
  }

  static async open(options: ServedOptions = {}): Promise<Served> {
    const served = new Served(options);
    served.#server.listen(0, '127.0.0.1');
    await once(served.#server, 'listening');
    return served;
  }

  async client(settings = settingsFrame()): Promise<RawHttp2> {
    const raw = await RawHttp2.connect((this.#server.address() as AddressInfo).port, settings);
    this.#clients.push(raw);
    return raw;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const client of this.#clients) client.close();
    this.#server.close();
    await once(this.#server, 'close');
  }
}

export const path = '/a.B/C';
export const ask = (stream: number, text = 'x'): Buffer =>
  callFrames(stream, path, { bytes: Buffer.from(text), isLast: true });

export const echoing = {
  onHeard: (heard: Heard): void => {
    heard.onHeardEnd = () => heard.answer(heard.bytes);
  },
};

export async function settled(raw: RawHttp2): Promise<void> {
  raw.send(pingFrame());
  await raw.next(frameTypes.ping);
}

export async function goAway(raw: RawHttp2): Promise<{ last: number; code: number } | undefined> {
  const told = await raw.next(frameTypes.goaway);
  if (!told) return undefined;
  const payload = Buffer.from(told.payload);
  return { last: payload.readUInt32BE(0), code: payload.readUInt32BE(4) };
}

export const resetsOf = (raw: RawHttp2): number[][] =>
  raw.frames
    .filter(({ type }) => type === frameTypes.reset)
    .map(({ stream, payload }) => [stream, payload[3] as number]);
