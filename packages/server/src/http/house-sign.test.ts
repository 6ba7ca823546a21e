// Goal: every answer of a member says that it is one's, of every route and status, before its
// engine stands and while it serves. Method: each route that the app describes is asked
// over a socket with nothing useful in the request, then what is not described and the hot routes
// with something.
import { request } from 'node:http';

import type { FastifyInstance } from 'fastify';
import { afterEach, expect, it } from 'vitest';

import { EngineSlot } from '../engine-slot.ts';
import { configRoutes } from './config-routes.ts';
import { listen, RawClient, type TestDoor, testDoor } from './test-door.fixture.ts';

let door: TestDoor | undefined;

afterEach(async () => {
  await door?.app.close();
  door = undefined;
});

type Asked = { readonly method: string; readonly path: string; readonly body?: string };

/** The status and the signs of one answer, whose body nobody waits for: it may be a stream. */
function signsOf(port: number, { method, path, body }: Asked): Promise<[string, string[]]> {
  return new Promise((resolve, reject) => {
    const headers = body?.startsWith('{') ? { 'content-type': 'application/json' } : {};
    const asking = request({ host: '127.0.0.1', port, method, path, headers, agent: false });
    asking.on('error', reject).on('response', (answer) => {
      const signs = Object.keys(answer.headers).filter((name) => name.startsWith('x-holdfast'));
      resolve([`${method} ${path} ${answer.statusCode}`, signs]);
      answer.destroy();
    });
    asking.end(body);
  });
}

async function described(app: FastifyInstance): Promise<Asked[]> {
  const { paths } = (await app.inject('/openapi.json')).json();
  const all = Object.entries(paths as Record<string, object>).flatMap(([path, methods]) =>
    Object.keys(methods).map((method) => ({ method: method.toUpperCase(), path: filled(path) })),
  );
  expect(all.length).toBeGreaterThan(30);
  return all;
}

const filled = (path: string): string => path.replaceAll(/\{[^}]*\}/g, 'some');

const further: readonly Asked[] = [
  { method: 'GET', path: '/' },
  { method: 'GET', path: '/openapi.json' },
  { method: 'GET', path: '/nowhere' },
  { method: 'PATCH', path: '/livez' },
  { method: 'PUT', path: '/v1/kv/a', body: '1' },
  { method: 'GET', path: '/v1/kv/a' },
  { method: 'GET', path: '/v1/kv/a?format=json' },
  { method: 'GET', path: '/v1/kv/none' },
  { method: 'GET', path: '/v1/kv/a?wrong=1' },
  { method: 'DELETE', path: '/v1/kv/a' },
  { method: 'GET', path: '/v1/kv?prefix=' },
  { method: 'GET', path: '/v1/kv-watch?prefix=' },
  { method: 'GET', path: '/v1/watch' },
  { method: 'PUT', path: '/v1/configs/app/g/x', body: 'hello' },
  { method: 'GET', path: '/v1/configs/app/g/x' },
  { method: 'GET', path: '/v1/configs/app/g/x/history' },
  { method: 'POST', path: '/v1/txn', body: '{"success":[{"put":{"key":"a","value":"1"}}]}' },
  { method: 'POST', path: '/v1/sessions', body: '{"ttlMs":60000,"id":"77"}' },
  { method: 'POST', path: '/v1/leases', body: '{"ttlMs":60000}' },
  { method: 'POST', path: '/v1/leases', body: '{broken' },
  { method: 'POST', path: '/v3/kv/range', body: '{"key":"YQ=="}' },
  { method: 'POST', path: '/v3/kv/nothing', body: '{}' },
  { method: 'POST', path: '/v3/watch', body: '{"create_request":{"key":"YQ=="}}' },
];

async function unsigned({ app }: TestDoor): Promise<string[]> {
  const port = await listen(app);
  const told: string[] = [];
  for (const asked of [...(await described(app)), ...further]) {
    const [line, signs] = await signsOf(port, asked);
    if (signs.length === 0) told.push(line);
  }
  return told;
}

it('each answer of a member that serves is signed', async () => {
  door = testDoor({ routes: [configRoutes()] });
  expect(await unsigned(door)).toEqual([]);
});

it('each answer of a member that starts is signed', async () => {
  door = testDoor({ slot: new EngineSlot(), routes: [configRoutes()] });
  expect(await unsigned(door)).toEqual([]);
});

it('bytes that are no request are answered with a sign', async () => {
  door = testDoor();
  const client = await RawClient.connect(await listen(door.app));
  client.send('nonsense\r\n\r\n');
  await client.closed();
  expect(client.received).toMatch(/^HTTP\/1\.1 400 (?:.*\r\n)+X-Holdfast: 1\r\n/);
});
