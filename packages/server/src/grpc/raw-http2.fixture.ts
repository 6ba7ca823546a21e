// For the tests of the gRPC door: HTTP/2 by hand, frame by frame (RFC 9113), so that a client can
// say what no library would, and read as little as it likes.
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';

export const preface = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');

export const frameTypes = {
  data: 0,
  headers: 1,
  priority: 2,
  reset: 3,
  settings: 4,
  ping: 6,
  goaway: 7,
  windowUpdate: 8,
  continuation: 9,
} as const;

export const flags = { ack: 1, endStream: 1, endHeaders: 4 } as const;

export type Frame = {
  readonly type: number;
  readonly flags?: number;
  readonly stream?: number;
  readonly payload?: Uint8Array;
};

const headBytes = 9;
const noPayload = new Uint8Array(0);

export function frame({ type, flags: set = 0, stream = 0, payload = noPayload }: Frame): Buffer {
  const bytes = Buffer.alloc(headBytes + payload.length);
  bytes.writeUIntBE(payload.length, 0, 3);
  bytes.set([type, set], 3);
  bytes.writeUInt32BE(stream, 5);
  bytes.set(payload, headBytes);
  return bytes;
}

/** Literals that no table keeps (RFC 7541, 6.2.2), without Huffman's code. */
export function headerBlock(headers: readonly (readonly [string, string])[]): Buffer {
  return Buffer.concat(
    headers.flatMap(([name, value]) => [Buffer.of(0), hpackText(name), hpackText(value)]),
  );
}

function hpackText(text: string): Buffer {
  const bytes = Buffer.from(text, 'latin1');
  return Buffer.concat([hpackNumber(bytes.length, 7), bytes]);
}

/** With a prefix of so many bits, the bits above it zero (RFC 7541, 5.1). */
export function hpackNumber(value: number, prefixBits: number): Buffer {
  const most = 2 ** prefixBits - 1;
  if (value < most) return Buffer.of(value);
  const bytes = [most];
  let rest = value - most;
  for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) bytes.push((rest % 0x80) | 0x80);
  return Buffer.of(...bytes, rest);
}

export const grpcHeaders = (path: string): readonly (readonly [string, string])[] => [
  [':method', 'POST'],
  [':scheme', 'http'],
  [':path', path],
  [':authority', 'x'],
  ['content-type', 'application/grpc'],
  ['te', 'trailers'],
];

/** A call as far as it was said: its head, and its message where there is one. */
export function callFrames(
  stream: number,
  path: string,
  message?: { readonly bytes: Uint8Array; readonly isLast: boolean },
): Buffer {
  const payload = headerBlock(grpcHeaders(path));
  const head = frame({ type: frameTypes.headers, flags: flags.endHeaders, stream, payload });
  if (!message) return head;
  const set = message.isLast ? flags.endStream : 0;
  return Buffer.concat([
    head,
    frame({ type: frameTypes.data, flags: set, stream, payload: message.bytes }),
  ]);
}

export const settingsFrame = (pairs: readonly (readonly [number, number])[] = []): Buffer => {
  const payload = Buffer.alloc(pairs.length * 6);
  for (const [at, [id, value]] of pairs.entries()) {
    payload.writeUInt16BE(id, at * 6);
    payload.writeUInt32BE(value, at * 6 + 2);
  }
  return frame({ type: frameTypes.settings, payload });
};

export const initialWindowSize = 4;

export const windowFrame = (stream: number, bytes: number): Buffer => {
  const payload = Buffer.alloc(4);
  payload.writeUInt32BE(bytes);
  return frame({ type: frameTypes.windowUpdate, stream, payload });
};

export const resetFrame = (stream: number, code = 8): Buffer => {
  const payload = Buffer.alloc(4);
  payload.writeUInt32BE(code);
  return frame({ type: frameTypes.reset, stream, payload });
};

export const pingFrame = (): Buffer => frame({ type: frameTypes.ping, payload: Buffer.alloc(8) });

type Received = Required<Frame>;

/** A connection that keeps the frames it was sent. */
export class RawHttp2 {
  readonly socket: Socket;
  readonly frames: Received[] = [];
  /** Settings that it has still to acknowledge, as the protocol wants of it. */
  acksLeft = Number.POSITIVE_INFINITY;
  #rest: Buffer = Buffer.alloc(0);
  #wake: () => void = () => undefined;

  private constructor(socket: Socket) {
    this.socket = socket;
    socket.on('data', (bytes) => this.#take(bytes));
    socket.on('close', () => this.#wake());
    // A reset shows as the end of the connection, which is what the tests wait for.
    socket.on('error', () => undefined);
  }

  static async connect(
    port: number,
    settings = settingsFrame(),
    acksLeft = Number.POSITIVE_INFINITY,
  ): Promise<RawHttp2> {
    const client = new RawHttp2(connect(port, '127.0.0.1'));
    client.acksLeft = acksLeft;
    await once(client.socket, 'connect');
    client.send(preface, settings);
    return client;
  }

  send(...parts: readonly Uint8Array[]): void {
    this.socket.write(Buffer.concat(parts));
  }

  /** The first frame of the type, which is then forgotten; undefined: the connection has ended. */
  async next(type: number): Promise<Received | undefined> {
    for (;;) {
      const at = this.frames.findIndex((one) => one.type === type);
      if (at >= 0) return this.frames.splice(at, 1)[0];
      if (this.socket.closed) return undefined;
      await this.#news();
    }
  }

  /** Until so many of the type have come. */
  async until(type: number, count: number): Promise<readonly Received[]> {
    for (;;) {
      const found = this.frames.filter((one) => one.type === type);
      if (found.length >= count || this.socket.closed) return found;
      await this.#news();
    }
  }

  async closed(): Promise<void> {
    if (!this.socket.closed) await once(this.socket, 'close');
  }

  close(): void {
    this.socket.destroy();
  }

  /** One waits at a time. */
  #news(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }

  #take(bytes: Buffer): void {
    this.#rest = Buffer.concat([this.#rest, bytes]);
    let at = 0;
    while (this.#rest.length - at >= headBytes) {
      const end = at + headBytes + this.#rest.readUIntBE(at, 3);
      if (this.#rest.length < end) break;
      this.#heed({
        type: this.#rest[at + 3] as number,
        flags: this.#rest[at + 4] as number,
        stream: this.#rest.readUInt32BE(at + 5),
        payload: this.#rest.subarray(at + headBytes, end),
      });
      at = end;
    }
    this.#rest = this.#rest.subarray(at);
    this.#wake();
  }

  #heed(received: Received): void {
    this.frames.push(received);
    const isAsked = received.type === frameTypes.settings && received.flags === 0;
    if (!isAsked || this.acksLeft === 0) return;
    this.acksLeft -= 1;
    this.send(frame({ type: frameTypes.settings, flags: flags.ack }));
  }
}
