// What one request costs the HTTP door: PUT and GET of a 256-byte value on an engine that answers
// at once. The load comes from a process of its own over raw sockets; the figure is the door's own
// CPU time a request, which a busy machine changes less than requests a second.
//
//   npx tsx --conditions=holdfast-source packages/server/bench/http.ts [connections] [seconds]
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import { connect } from 'node:net';
import { fileURLToPath } from 'node:url';

import { utf8 } from '@holdfast/base/bytes';
import { SystemClock } from '@holdfast/base/system-clock';
import { putRequest, rangeRequest } from '@holdfast/domain/requests';
import { MemoryEngine } from '@holdfast/engine/memory-engine';

import { EngineSlot } from '../src/engine-slot.ts';
import { buildHttpApp } from '../src/http/http-server.ts';

const valueBytes = 256;

const requestOf = (method: string): Buffer => {
  const head = `${method} /v1/kv/bench-key-000001 HTTP/1.1\r\nHost: bench\r\n`;
  if (method === 'GET') return Buffer.from(`${head}\r\n`);
  const length = `Content-Length: ${valueBytes}\r\n\r\n`;
  return Buffer.concat([Buffer.from(head + length), Buffer.alloc(valueBytes, 'x')]);
};

/** The load: each connection has one request in flight; an answer fits one packet. */
function load(port: number, options: { connections: number; method: string }): void {
  const request = requestOf(options.method);
  for (let at = 0; at < options.connections; at += 1) {
    const socket = connect(port, '127.0.0.1', () => socket.write(request));
    socket.setNoDelay(true);
    socket.on('data', () => socket.write(request));
    socket.on('error', () => socket.destroy());
  }
}

type Target = { readonly port: number; calls(): number; close(): Promise<void> };

/** The door on an engine that answers at once: what is left is the door's. */
async function openDoor(): Promise<Target> {
  const engine = new MemoryEngine();
  const options = { actor: 'bench' };
  const key = { keyspace: 1, key: utf8('bench-key-000001') };
  const written = await engine.put(putRequest(key, new Uint8Array(valueBytes)), options);
  const read = await engine.range(rangeRequest(key), options);
  let calls = 0;
  engine.put = async () => {
    calls += 1;
    return written;
  };
  engine.range = async () => {
    calls += 1;
    return read;
  };
  const slot = new EngineSlot();
  slot.fill(engine);
  const app = buildHttpApp({ slot, clock: new SystemClock(), version: 'bench' });
  await app.listen({ host: '127.0.0.1', port: 0 });
  return { port: portOf(app.server), calls: () => calls, close: () => app.close() };
}

/** Node's own server with the least that an answer needs: the floor under every HTTP door. */
async function openBare(): Promise<Target> {
  let calls = 0;
  const server = createServer((request, response) => {
    request.on('data', () => undefined);
    request.on('end', () => {
      calls += 1;
      response.writeHead(200, ['Content-Length', '15', 'ETag', '"1"']);
      response.end('{"revision":123}'.slice(0, 15), 'latin1');
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const close = async (): Promise<void> => {
    server.closeAllConnections();
    server.close();
  };
  return { port: portOf(server), calls: () => calls, close };
}

function portOf(server: Server): number {
  const address = server.address();
  return typeof address === 'object' && address !== null ? address.port : 0;
}

type Run = { readonly method: string; readonly connections: number; readonly seconds: number };

async function measure(name: string, target: Target, run: Run): Promise<void> {
  const self = fileURLToPath(import.meta.url);
  const { method, connections, seconds } = run;
  const generator = fork(self, ['load', String(target.port), String(connections), method]);
  await wait(2500);
  const before = { calls: target.calls(), cpu: process.cpuUsage(), at: performance.now() };
  await wait(seconds * 1000);
  const cpu = process.cpuUsage(before.cpu);
  const count = target.calls() - before.calls;
  const rate = (count / (performance.now() - before.at)) * 1000;
  const cost = (cpu.user + cpu.system) / count;
  process.stdout.write(
    `${name} ${method} ${connections} connections: ${Math.round(rate)} requests/s, ` +
      `${cost.toFixed(1)} µs CPU a request (${(cpu.system / count).toFixed(1)} in the kernel)\n`,
  );
  generator.kill();
  await target.close();
}

const wait = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

const [first, second, third, fourth] = process.argv.slice(2);
if (first === 'load') {
  load(Number(second), { connections: Number(third), method: fourth ?? 'PUT' });
} else {
  const connections = Number(first ?? 64);
  const seconds = Number(second ?? 4);
  for (const method of ['PUT', 'GET']) {
    await measure('bare', await openBare(), { method, connections, seconds });
    await measure('door', await openDoor(), { method, connections, seconds });
  }
}
