// Goal: a probe finds the first write that is taken, through answers that say no, connections that
// are refused or cut, and a member that is not there yet; and leaves nothing behind. Method:
// servers of node:http2 that come and go on one port.
import { once } from 'node:events';
import { createServer, type Http2Server } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { afterEach, expect, it } from 'vitest';

import { WriteProbe } from './write-probe.ts';

let server: Http2Server | undefined;
let probe: WriteProbe | undefined;
let asked: number;

afterEach(() => {
  probe?.close();
  server?.close();
});

/** A member that answers its writes with these codes in turn, the last one again and again. */
async function listen(codes: readonly string[], port = 0): Promise<number> {
  asked = 0;
  const opened = createServer();
  server = opened;
  opened.on('stream', (stream) => {
    const code = codes[Math.min(asked, codes.length - 1)] as string;
    asked += 1;
    stream.on('error', () => undefined); // The probe goes.
    stream.respond({ 'content-type': 'application/grpc' }, { waitForTrailers: true });
    stream.once('wantTrailers', () => stream.sendTrailers({ 'grpc-status': code }));
    stream.end(Buffer.alloc(5));
  });
  opened.listen(port, '127.0.0.1');
  await once(opened, 'listening');
  return (opened.address() as AddressInfo).port;
}

it('goes on past writes that fail, until one does not', async () => {
  const port = await listen(['14', '14', '0']);
  probe = new WriteProbe(`127.0.0.1:${port}`, 'grpc');
  await probe.firstWrite();
  expect(asked).toBeGreaterThanOrEqual(3);
});

it('finds a member that was not there when it began', async () => {
  const port = await listen(['0']);
  const closed = server as Http2Server;
  closed.close();
  await once(closed, 'close');
  probe = new WriteProbe(`127.0.0.1:${port}`, 'grpc');
  const written = probe.firstWrite();
  await listen(['0'], port);
  await written;
});

it('ends its wait when it is closed', async () => {
  const port = await listen(['14']);
  probe = new WriteProbe(`127.0.0.1:${port}`, 'grpc');
  const written = probe.firstWrite();
  probe.close();
  await expect(written).rejects.toThrow('closed');
});
