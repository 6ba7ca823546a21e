// The client library in frames on real processes and disks. Goal: through kills of leaders every
// write that was acknowledged is there, every watch is told each of them once and in order, and a
// lease that is held lives; on connections of frames all the while. A watch that nobody reads keeps
// nobody from anything. Method: the library, as users have it, and the members' own figures.
import { setTimeout as delay } from 'node:timers/promises';
import { HoldfastClient } from '@holdfast/client/holdfast-client';
import { describe, expect, it } from 'vitest';
import { ProcessCluster, type ProcessMember, until } from './support/process-cluster.ts';

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const watched = 'counted/';
const watches = 40;

type Told = { readonly revision: number; readonly value: string };

/** Writes one number after the other until it is told to stop; answers those acknowledged. */
function startWriter(client: HoldfastClient) {
  let isOn = true;
  const acknowledged: Told[] = [];
  const running = (async () => {
    for (let number = 1; isOn; number += 1) {
      const value = String(number);
      const { revision } = await client.kv.put(`${watched}key`, bytes(value), { mayRepeat: true });
      acknowledged.push({ revision, value });
    }
  })();
  return {
    acknowledged,
    stop: async () => {
      isOn = false;
      await running;
    },
  };
}

/** What one watch is told. */
function startWatch(client: HoldfastClient) {
  const controller = new AbortController();
  const { signal } = controller;
  const told: Told[] = [];
  const running = (async () => {
    const options = { prefix: watched, fromRevision: 1, signal };
    for await (const { revision, events } of client.kv.watch(options)) {
      for (const { item } of events) {
        told.push({ revision, value: new TextDecoder().decode(item.value) });
      }
    }
  })().catch((error: unknown) => {
    if (!signal.aborted) throw error;
  });
  const stop = async (): Promise<void> => {
    controller.abort();
    await running;
  };
  return { told, stop };
}

/** Requests that a member has counted, by the way in which they came. */
async function requestsOf(member: ProcessMember): Promise<{ frames: number; http: number }> {
  const text = await (await member.get('/metrics')).text();
  const counts = [...text.matchAll(/_count\{[^}]*route="([^"]+)"[^}]*\} (\d+)/g)];
  const sum = (isOne: (route: string) => boolean): number =>
    counts.reduce((total, [, route = '', count]) => total + (isOne(route) ? Number(count) : 0), 0);
  return {
    frames: sum((route) => route === 'frames'),
    http: sum((route) => /^\/v1\/(kv|leases|sessions|txn)/.test(route)),
  };
}

describe('the client library in frames', () => {
  it('loses, doubles and skips nothing through kills of leaders, and says nothing over HTTP', async () => {
    await using cluster = await ProcessCluster.start(3);
    await using client = new HoldfastClient({ endpoints: cluster.endpoints, timeoutMs: 30_000 });
    const all = Array.from({ length: watches }, () => startWatch(client));
    await using held = client.leases.hold(await client.leases.grant(8000));
    await client.kv.put('held', bytes('x'), { lease: held.id });
    const writer = startWriter(client);
    for (let kill = 0; kill < 3; kill += 1) {
      const before = writer.acknowledged.length;
      await until(async () => writer.acknowledged.length > before + 20, {
        timeoutMs: 30_000,
        what: () => 'writes between two kills',
      });
      const leader = await cluster.leader();
      await leader.kill();
      await delay(1500);
      leader.start();
      await cluster.ready();
    }
    await writer.stop();
    const last = writer.acknowledged.at(-1) as Told;
    await until(async () => all.every(({ told }) => told.at(-1)?.value === last.value), {
      timeoutMs: 30_000,
      what: () => `all watches at ${last.value}: ${all.map(({ told }) => told.at(-1)?.value)}`,
    });
    await Promise.all(all.map(({ stop }) => stop()));
    const first = all[0]?.told ?? [];
    const revisions = first.map(({ revision }) => revision);
    expect(revisions).toEqual([...new Set(revisions)].sort((a, b) => a - b));
    const known = new Set(first.map(({ revision, value }) => `${revision} ${value}`));
    for (const { revision, value } of writer.acknowledged) {
      expect(known.has(`${revision} ${value}`), `write ${value} at ${revision} is told`).toBe(true);
    }
    for (const { told } of all) expect(told).toEqual(first);
    expect(held.lost.aborted).toBe(false);
    expect(await client.kv.get('held')).toBeDefined();
    const counted = await Promise.all(cluster.members.map(requestsOf));
    expect(counted.reduce((sum, { frames }) => sum + frames, 0)).toBeGreaterThan(0);
    expect(counted.map(({ http }) => http)).toEqual([0, 0, 0]);
    process.stdout.write(`${writer.acknowledged.length} writes, ${watches} watches, 3 kills\n`);
  });

  it('keeps nobody waiting for watches that nobody reads', async () => {
    await using cluster = await ProcessCluster.start(3);
    const [endpoint = ''] = cluster.endpoints;
    await using client = new HoldfastClient({ endpoints: [endpoint] });
    // Each has taken one event, and never asks for another.
    const stuck = Array.from({ length: 200 }, () => client.kv.watch({ prefix: watched }));
    const began = stuck.map((one) => one.next());
    const live = startWatch(client);
    const large = bytes('v'.repeat(50_000));
    await client.kv.put(`${watched}first`, bytes('begin'));
    await Promise.all(began);
    const tooks: number[] = [];
    for (let at = 0; at < 300; at += 1) {
      const beganMs = performance.now();
      await client.kv.put(`${watched}key`, large);
      tooks.push(performance.now() - beganMs);
    }
    await until(async () => live.told.length >= 301, {
      timeoutMs: 30_000,
      what: () => `what is read to be told: ${live.told.length}`,
    });
    const sorted = tooks.toSorted((a, b) => a - b);
    process.stdout.write(`a put beside 200 stuck watches: median ${sorted[150]?.toFixed(1)} ms\n`);
    // 200 times 300 values of 50 kB would be 3 GB.
    expect(process.memoryUsage().rss).toBeLessThan(1_000_000_000);
    // Whoever reads on after all has missed nothing.
    const [one] = stuck as [AsyncGenerator<{ readonly revision: number }, void, void>];
    let revision = 0;
    for (let at = 0; at < 300; at += 1) {
      const next = (await one.next()).value as { readonly revision: number };
      expect(next.revision).toBeGreaterThan(revision);
      revision = next.revision;
    }
    await live.stop();
  });
});
