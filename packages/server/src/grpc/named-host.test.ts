// Goal: clients that name as their host what is none are served all the same. Method: connections
// by hand, in frames and codes as etcdctl 3.4 sends them.
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { SystemClock } from '@holdfast/base/system-clock';
import { afterEach, describe, expect, it } from 'vitest';

import { eventually, listen, type TestDoor, testDoor } from '../http/test-door.fixture.ts';

const preface = 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n';
const types = { data: 0, headers: 1, reset: 3, settings: 4, ping: 6, goaway: 7 };

function frame(
  type: number,
  flags: number,
  stream: number,
  payload: Uint8Array = Buffer.alloc(0),
): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head[3] = type;
  head[4] = flags;
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, payload]);
}

const text = (value: string): Buffer =>
  Buffer.concat([Buffer.from([value.length]), Buffer.from(value, 'latin1')]);

/** `http://h` and `https://h:1`, as the code of Huffman has them. */
const huffman = {
  'http://h': '100111 01001 01001 101011 1011100 011000 011000 100111',
  'https://h:1': '100111 01001 01001 101011 01000 1011100 011000 011000 100111 1011100 00001',
};

function coded(name: keyof typeof huffman): Buffer {
  const bits = huffman[name].replaceAll(' ', '');
  const bytes = (
    `${bits}11111111`.slice(0, Math.ceil(bits.length / 8) * 8).match(/.{8}/g) ?? []
  ).map((byte) => Number.parseInt(byte, 2));
  return Buffer.from([0x80 | bytes.length, ...bytes]);
}

/** POST, http, a path, the host as a new entry of the table, and what a call of gRPC needs. */
const blockWith = (host: Buffer): Buffer =>
  Buffer.concat([
    Buffer.from([0x83, 0x86, 0x44]),
    text('/no.such.Service/Method'),
    Buffer.from([0x41]),
    host,
    Buffer.from([0x40]),
    text('content-type'),
    text('application/grpc'),
  ]);

/** The same by what was said before: content type, host and path stand in the table. */
const blockAgain = Buffer.from([0x83, 0x86, 0xc0, 0xbf, 0xbe]);

/** With nothing behind its headers. */
const wholeCall = 0x05;

let door: TestDoor;
const sockets: Socket[] = [];

afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  await door.app.close();
});

async function opened() {
  door = testDoor({ clock: new SystemClock() });
  const socket = connect(await listen(door.app), '127.0.0.1');
  sockets.push(socket);
  await once(socket, 'connect');
  const frames = new Frames();
  socket.on('data', (bytes) => frames.take(bytes));
  return { socket, frames };
}

class Frames {
  readonly all: { readonly type: number; readonly flags: number; readonly stream: number }[] = [];
  #bytes: Buffer = Buffer.alloc(0);

  take(bytes: Buffer): void {
    this.#bytes = Buffer.concat([this.#bytes, bytes]);
    while (this.#bytes.length >= 9 + this.#length) {
      const [type, flags] = [this.#bytes[3] as number, this.#bytes[4] as number];
      this.all.push({ type, flags, stream: this.#bytes.readUInt32BE(5) });
      this.#bytes = this.#bytes.subarray(9 + this.#length);
    }
  }

  of(type: number, stream = 0) {
    return this.all.filter((one) => one.type === type && one.stream === stream);
  }

  get #length(): number {
    return this.#bytes.length < 3 ? 0 : this.#bytes.readUIntBE(0, 3);
  }
}

describe('a client whose host is none', () => {
  for (const [name, host] of [
    ['plain', text('http://127.0.0.1:2379')],
    ['plain, with TLS', text('https://n1:2379')],
    ['in code', coded('http://h')],
    ['in code, with TLS', coded('https://h:1')],
  ] as const) {
    it(`is served, ${name}, also where it waits for settings first`, async () => {
      const { socket, frames } = await opened();
      socket.write(Buffer.concat([Buffer.from(preface), frame(types.settings, 0, 0)]));
      await eventually(() => expect(frames.of(types.settings)).not.toEqual([]));
      socket.write(frame(types.settings, 1, 0));
      socket.write(frame(types.headers, wholeCall, 1, blockWith(host)));
      await eventually(() => expect(frames.of(types.headers, 1)).toHaveLength(1));
      socket.write(frame(types.headers, wholeCall, 3, blockAgain));
      await eventually(() => expect(frames.of(types.headers, 3)).toHaveLength(1));
      expect(frames.of(types.goaway)).toEqual([]);
      expect(frames.of(types.reset, 1)).toEqual([]);
    });
  }

  it('is served where it says all at once, and its acknowledgement comes late', async () => {
    const { socket, frames } = await opened();
    socket.write(Buffer.concat([Buffer.from(preface), frame(types.settings, 0, 0)]));
    await eventually(() => expect(frames.of(types.settings)).not.toEqual([]));
    // Said before it had seen the settings that it acknowledges behind it.
    const all = [
      frame(types.headers, wholeCall, 1, blockWith(coded('http://h'))),
      frame(types.ping, 0, 0, Buffer.alloc(8)),
      frame(types.settings, 1, 0),
    ];
    for (const byte of Buffer.concat(all)) socket.write(Buffer.from([byte]));
    await eventually(() => expect(frames.of(types.headers, 1)).toHaveLength(1));
    socket.write(frame(types.settings, 1, 0));
    socket.write(frame(types.headers, wholeCall, 3, blockAgain));
    await eventually(() => expect(frames.of(types.headers, 3)).toHaveLength(1));
    expect(frames.of(types.goaway)).toEqual([]);
  });
});
