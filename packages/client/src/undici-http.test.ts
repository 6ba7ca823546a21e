// Goal: the adapter tells apart what cannot have left and what may have. Method: real sockets on
// loopback that refuse, break and fall silent.
import { once } from 'node:events';
import { createServer, type Server, type Socket } from 'node:net';

import { afterEach, describe, expect, it } from 'vitest';

import { readAll } from './http-port.ts';
import { UndiciHttp } from './undici-http.ts';

const http = new UndiciHttp({ connectTimeoutMs: 3_000, connectionsMax: 4 });
const servers: Server[] = [];

async function serve(onRequest: (socket: Socket) => void): Promise<string> {
  const server = createServer((socket) => {
    socket.once('data', () => onRequest(socket));
    socket.on('error', () => undefined);
  }).listen(0, '127.0.0.1');
  servers.push(server);
  await once(server, 'listening');
  return `127.0.0.1:${(server.address() as { port: number }).port}`;
}

const put = (endpoint: string, signal = new AbortController().signal) =>
  http.request({ endpoint, method: 'PUT', path: '/', headers: {}, body: Buffer.from('x'), signal });

afterEach(async () => {
  for (const server of servers.splice(0)) {
    server.close();
    await once(server, 'close');
  }
});

describe('UndiciHttp', () => {
  it('says that nothing left where nobody listens', async () => {
    const endpoint = await serve(() => undefined);
    const server = servers.pop() as Server;
    server.close();
    await once(server, 'close');
    await expect(put(endpoint)).rejects.toMatchObject({
      code: 'unavailable',
      outcome: 'not-applied',
      endpoint,
    });
  });

  it('says that it is not known where the connection broke after the request', async () => {
    for (const end of ['destroy', 'resetAndDestroy'] as const) {
      const endpoint = await serve((socket) => void socket[end]());
      await expect(put(endpoint)).rejects.toMatchObject({
        code: 'unavailable',
        outcome: 'unknown',
      });
    }
  });

  it('ends with its signal also while it waits for a connection', async () => {
    const narrow = new UndiciHttp({ connectTimeoutMs: 3_000, connectionsMax: 1 });
    const endpoint = await serve(() => undefined);
    const ask = (signal: AbortSignal) =>
      narrow.request({ endpoint, method: 'GET', path: '/', headers: {}, body: undefined, signal });
    const [first, second] = [new AbortController(), new AbortController()];
    const [held, waiting] = [ask(first.signal), ask(second.signal)];
    held.catch(() => undefined);
    await new Promise(setImmediate);
    second.abort(new Error('enough'));
    await expect(waiting).rejects.toThrow('enough');
    first.abort(new Error('enough, too'));
    await expect(held).rejects.toThrow('enough, too');
    await narrow.close();
  });

  it('ends with the reason of the signal', async () => {
    const controller = new AbortController();
    const endpoint = await serve((socket) => {
      controller.abort(new Error('enough'));
      socket.destroy();
    });
    await expect(put(endpoint, controller.signal)).rejects.toThrow('enough');
  });

  it('lets no ping wait behind calls for a connection', async () => {
    const controller = new AbortController();
    let asked = 0;
    const endpoint = await serve((socket) => {
      asked += 1;
      // All connections that calls may have are taken, and stay so.
      if (asked > 4) socket.end('HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n');
    });
    const calls = [1, 2, 3, 4].map(() => put(endpoint, controller.signal).catch(() => undefined));
    await expect.poll(() => asked).toBe(4);
    const { signal } = new AbortController();
    const ping = { endpoint, method: 'GET', path: '/ping', headers: {}, body: undefined } as const;
    const answer = await http.request({ ...ping, signal, isPing: true });
    expect(answer.status).toBe(200);
    answer.discard();
    controller.abort(new Error('enough'));
    await Promise.all(calls);
  });

  it('fails in the middle of a body that breaks off', async () => {
    const endpoint = await serve((socket) => {
      socket.write('HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf', () => socket.destroy());
    });
    const answer = await put(endpoint);
    expect(answer.status).toBe(200);
    await expect(readAll(answer)).rejects.toMatchObject({ outcome: 'unknown', endpoint });
  });
});
