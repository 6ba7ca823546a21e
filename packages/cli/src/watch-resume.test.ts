// Goal: a watcher that loses one member after the other is told every change once and in order, and
// is told in words where history is gone. Method: several doors on one engine, closed in turn while
// a writer goes on; one transaction carries several events, so that a break in its middle would
// show.
import { revision } from '@holdfast/base/ids';
import { HoldfastClient } from '@holdfast/client/holdfast-client';
import type { KvChange } from '@holdfast/client/kv-api';
import { MemoryEngine } from '@holdfast/engine/memory-engine';
import { describe, expect, it } from 'vitest';

import { startTestServer, type TestServer } from './test-cluster.ts';

const rounds = 40;
const abc = ['wa', 'wb', 'wc'];

/** A loopback address of this process alone: nobody takes a port of it between two listeners. */
const ownHost = `127.${(process.pid >> 16) + 1}.${(process.pid >> 8) & 255}.${process.pid & 255}`;

type Written = { readonly revision: number };

/** All changes up to the one that says it is the last. */
async function collect(changes: AsyncIterable<KvChange>): Promise<readonly KvChange[]> {
  const seen: KvChange[] = [];
  for await (const change of changes) {
    seen.push(change);
    if (change.events.some(({ item }) => item.key === 'w-end')) break;
  }
  return seen;
}

/** Ends one door and all its connections, and opens another one in its place. */
async function restart(servers: TestServer[], at: number, engine: MemoryEngine): Promise<void> {
  const { endpoint, close } = servers[at] as TestServer;
  await close();
  servers[at] = await startTestServer(engine, endpoint);
}

describe('a watch over several members', () => {
  it('neither skips nor repeats when each goes away and comes back', async () => {
    const engine = new MemoryEngine();
    const servers = await Promise.all([1, 2, 3].map(() => startTestServer(engine, `${ownHost}:0`)));
    const endpoints = servers.map((server) => server.endpoint);
    await using client = new HoldfastClient({ endpoints });
    const first = await client.kv.put('w-begin', new Uint8Array());
    const watching = collect(client.kv.watch({ prefix: 'w', fromRevision: first.revision }));
    const written = [first.revision];
    for (let round = 0; round < rounds; round += 1) {
      const success = ['a', 'b', 'c'].map((key) => ({
        put: { key: `w${key}`, value: `${round}` },
      }));
      const answer = (await client.kv.txn({ success }, { mayRepeat: true })) as Written;
      written.push(answer.revision);
      if (round % 4 === 0) await restart(servers, (round / 4) % 3, engine);
    }
    written.push((await client.kv.put('w-end', new Uint8Array(), { mayRepeat: true })).revision);
    const seen = await watching;
    const revisions = seen.map((change) => change.revision);
    expect(new Set(revisions).size).toBe(revisions.length);
    expect(revisions).toEqual(revisions.toSorted((a, b) => a - b));
    expect(revisions).toEqual(expect.arrayContaining(written));
    const middle = seen.slice(1, -1).filter(({ events }) => events.length > 1);
    for (const { events } of middle) expect(events.map(({ item }) => item.key)).toEqual(abc);
    await Promise.all(servers.map((server) => server.close()));
  });

  it('is told where the history that it needs is gone', async () => {
    await using server = await startTestServer();
    const { engine } = server;
    await using client = new HoldfastClient({ endpoints: [server.endpoint] });
    for (const value of ['1', '2', '3']) await client.kv.put('k', Buffer.from(value));
    await engine.compact({ revision: revision(3) }, { actor: 'test' });
    const changes = client.kv.watch({ key: 'k', fromRevision: 1 });
    await expect(changes.next()).rejects.toMatchObject({ code: 'compacted' });
  });
});
