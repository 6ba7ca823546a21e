// Goal: watchers are counted as watching when the server said so, every event of each of them once,
// and a member without the service is told apart from one that fails. Method: node:http2 as a
// server that cuts its messages as it likes.
import { once } from 'node:events';
import { createServer, type Http2Server, type ServerHttp2Stream } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { WatchRequest, WatchResponse } from '@holdfast/proto/etcd';
import { afterEach, beforeEach, expect, it } from 'vitest';

import { messageHeadBytes } from '../grpc-call.ts';
import { GrpcWatch } from './grpc-watch.ts';
import { NotServed } from './watch-connection.ts';

let server: Http2Server;
let streams: ServerHttp2Stream[];
let watch: GrpcWatch | undefined;

beforeEach(async () => {
  streams = [];
  server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
});

afterEach(() => {
  watch?.close();
  server.close();
});

function framed(response: Partial<WatchResponse>): Buffer {
  const value = { ...WatchResponse.decode(new Uint8Array(0)), ...response };
  const message = WatchResponse.encode(value).finish();
  const bytes = Buffer.alloc(messageHeadBytes + message.length);
  bytes.writeUInt32BE(message.length, 1);
  bytes.set(message, messageHeadBytes);
  return bytes;
}

function open(watchers: number, onEvent: () => void): GrpcWatch {
  const { port } = server.address() as AddressInfo;
  return new GrpcWatch({ endpoint: `127.0.0.1:${port}`, watchers, onEvent }, 'k');
}

it('opens a call for each watcher, and counts each event once', async () => {
  const keys: string[] = [];
  server.on('stream', (stream) => {
    streams.push(stream);
    stream.on('error', () => undefined); // The watcher goes at the end.
    stream.respond({ 'content-type': 'application/grpc' });
    stream.once('data', (bytes: Buffer) => {
      const { requestUnion } = WatchRequest.decode(bytes.subarray(messageHeadBytes));
      if (requestUnion?.$case === 'createRequest') {
        keys.push(Buffer.from(requestUnion.value.key).toString());
      }
      stream.write(framed({ created: true }));
    });
  });
  let events = 0;
  let onLast: () => void = () => undefined;
  const last = new Promise<void>((resolve) => {
    onLast = resolve;
  });
  watch = open(3, () => {
    events += 1;
    if (events === 6) onLast();
  });
  await watch.opened;
  expect(keys).toEqual(['k', 'k', 'k']);
  const event = { type: 0, kv: undefined, prevKv: undefined } as const;
  const one = framed({ events: [event] });
  const two = Buffer.concat([one, one]);
  const cut = one.length + 2;
  for (const stream of streams) {
    // Has left before the rest is written, in a frame of its own.
    await new Promise((resolve) => stream.write(two.subarray(0, cut), resolve));
    stream.write(two.subarray(cut));
  }
  await last;
  expect(events).toBe(6);
});

it('knows who serves no watches from who fails', async () => {
  let code = '12';
  server.on('stream', (stream) => {
    stream.on('error', () => undefined); // As above.
    stream.respond({ 'grpc-status': code }, { endStream: true });
  });
  watch = open(2, () => undefined);
  await expect(watch.opened).rejects.toBeInstanceOf(NotServed);
  watch.close();
  code = '14';
  watch = open(2, () => undefined);
  await expect(watch.opened).rejects.toThrow('code 14');
});
