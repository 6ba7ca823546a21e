// Lists on real sockets, read by some and not by others. Goal: what waits for readers stays below
// one bound over all connections, the others are served meanwhile, and who reads gets all of it.
import type { Socket } from 'node:net';

import { utf8 } from '@holdfast/base/bytes';
import { HoldfastError } from '@holdfast/base/errors';
import { SystemClock } from '@holdfast/base/system-clock';
import { putRequest } from '@holdfast/domain/requests';
import { afterEach, describe, expect, it } from 'vitest';

import type { HttpLimits } from './http-context.ts';
import { eventually, listen, RawClient, type TestDoor, testDoor } from './test-door.fixture.ts';

const mebibyte = 1024 * 1024;

let door: TestDoor;
const clients: RawClient[] = [];
const sockets = new Set<Socket>();

afterEach(async () => {
  for (const client of clients.splice(0)) client.close();
  await door.app.close();
  sockets.clear();
  expect(door.faults).toEqual([]);
});

async function open(limits: Partial<HttpLimits>): Promise<string> {
  door = testDoor({ clock: new SystemClock(), limits });
  door.app.server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
  });
  return `http://127.0.0.1:${await listen(door.app)}`;
}

/** Nearly as much as a page takes: 4 MB in the store, 10 MB as an answer. */
async function putPage(): Promise<void> {
  const value = new Uint8Array(4000).fill(97);
  for (let at = 0; at < 1000; at += 1) {
    const key = utf8(`key-${String(at).padStart(4, '0')}`);
    await door.engine.put(putRequest({ keyspace: 1, key }, value), { actor: 'test' });
  }
}

/** Asks for many lists and reads none of them. */
async function neverRead(url: string): Promise<void> {
  const client = await RawClient.connect(Number(new URL(url).port));
  clients.push(client);
  client.socket.pause();
  client.send('GET /v1/kv?limit=1000 HTTP/1.1\r\nHost: x\r\n\r\n'.repeat(20));
}

type Item = { readonly key: string; readonly text: string; readonly modRevision: number };
type List = { readonly revision: number; readonly count: number; readonly items: readonly Item[] };

const listOf = async (url: string): Promise<List> =>
  (await (await fetch(`${url}/v1/kv?limit=1000&prefix=key-0`)).json()) as List;

const waitingBytes = (): number =>
  [...sockets].reduce((sum, socket) => sum + socket.writableLength, 0);

describe('lists that nobody reads', () => {
  it('hold no more than the bound together, and the others are served', async () => {
    const url = await open({ unreadBytesMax: mebibyte, unreadMs: 1500 });
    await putPage();
    for (let at = 0; at < 20; at += 1) await neverRead(url);
    let most = 0;
    await eventually(() => {
      most = Math.max(most, waitingBytes());
      expect(most).toBeGreaterThan(mebibyte);
    });
    for (let at = 0; at < 20; at += 1) {
      expect((await fetch(`${url}/v1/kv/key-0001`)).status).toBe(200);
      const written = await fetch(`${url}/v1/kv/other`, { method: 'PUT', body: 'x' });
      expect(written.status).toBe(200);
      await written.arrayBuffer();
      most = Math.max(most, waitingBytes());
    }
    const page = await listOf(url);
    most = Math.max(most, waitingBytes());
    expect(page.items.length).toBe(1000);
    expect(page.items.at(-1)).toMatchObject({ key: 'key-0999', text: 'a'.repeat(4000) });
    // The slice that went beyond it, and the heads.
    expect(most).toBeLessThan(mebibyte + 256 * 1024);
    await eventually(() => expect(sockets.size).toBeLessThan(20));
  });

  it('are refused with 429 where there is no room in time', async () => {
    const url = await open({ unreadBytesMax: 0 });
    const headers = { 'Holdfast-Timeout-Ms': '20' };
    const answer = await fetch(`${url}/v1/kv`, { headers });
    expect(answer.status).toBe(429);
    expect(answer.headers.get('Retry-After')).toBe('1');
    expect(await answer.json()).toMatchObject({ code: 'resource-exhausted' });
  });
});

describe('lists of readers', () => {
  it('are given whole to many at once, at one revision, while others write', async () => {
    const url = await open({ unreadBytesMax: 64 * 1024 });
    await putPage();
    const reading = Promise.all(Array.from({ length: 8 }, () => listOf(url)));
    for (let at = 0; at < 100; at += 1) {
      const body = `later-${at}`;
      await (await fetch(`${url}/v1/kv/key-0${at}`, { method: 'PUT', body })).arrayBuffer();
    }
    for (const page of await reading) {
      expect(page.items.length).toBe(Math.min(page.count, 1000));
      const ats = page.items.map((item) => item.modRevision);
      expect(Math.max(...ats)).toBeLessThanOrEqual(page.revision);
    }
  });

  it('are broken off where their revision goes away in the middle', async () => {
    const url = await open({});
    await putPage();
    const { range } = door.engine;
    let calls = 0;
    door.engine.range = (request, options) => {
      calls += 1;
      if (calls === 4) throw new HoldfastError('compacted', 'gone');
      return range.call(door.engine, request, options);
    };
    const answer = await fetch(`${url}/v1/kv?limit=1000`);
    expect(answer.status).toBe(200);
    await expect(answer.text()).rejects.toThrow();
    expect((await fetch(`${url}/v1/kv?limit=1000`)).status).toBe(200);
  });
});
