// Leases and exactly-once writes on real processes and disks (C-06). Goal: a lease's keys vanish in
// one revision, as a watcher on each member sees; a killed leader ends no lease early; writes that
// are sent again through leader kills take effect once. Method: the client library, as users have
// it.
import { setTimeout as delay } from 'node:timers/promises';
import { isHoldfastError } from '@holdfast/base/errors';
import { HoldfastClient } from '@holdfast/client/holdfast-client';
import { describe, expect, it } from 'vitest';
import { ProcessCluster, type ProcessMember, until } from './support/process-cluster.ts';

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

const isOver = (promise: Promise<unknown>): (() => boolean) => {
  let over = false;
  const end = (): void => {
    over = true;
  };
  promise.then(end, end);
  return () => over;
};

type Gone = { readonly revision: number; readonly keys: readonly string[] };

/** What a watcher of one member sees vanish, revision by revision. */
function watchDeletes(member: ProcessMember, prefix: string) {
  const controller = new AbortController();
  const client = new HoldfastClient({ endpoints: [member.place.client] });
  const gone: Gone[] = [];
  const running = (async () => {
    const { signal } = controller;
    for await (const { revision, events } of client.kv.watch({ prefix, fromRevision: 1, signal })) {
      const deletes = events.filter(({ type }) => type === 'delete');
      if (deletes.length > 0) gone.push({ revision, keys: deletes.map(({ item }) => item.key) });
    }
  })().catch((error: unknown) => {
    if (!controller.signal.aborted) throw error;
  });
  return {
    gone,
    stop: async () => {
      controller.abort();
      await running;
      await client.close();
    },
  };
}

/** A cluster that has just begun knows only after a moment that all its members know leases. */
async function knowsLeases(client: HoldfastClient): Promise<void> {
  let last: unknown;
  const isKnown = async (): Promise<boolean> => {
    try {
      await client.leases.grant(60_000);
      return true;
    } catch (error) {
      last = error;
      if (!isHoldfastError(error, 'failed-precondition')) throw error;
      return false;
    }
  };
  await until(isKnown, { timeoutMs: 10_000, what: () => String(last) });
}

describe('leases', () => {
  it('run out with their keys in one revision, seen alike on every member', async () => {
    await using cluster = await ProcessCluster.start(3);
    await using client = new HoldfastClient({ endpoints: cluster.endpoints });
    await knowsLeases(client);
    const watchers = cluster.members.map((member) => watchDeletes(member, 'leased/'));
    const lease = await client.leases.grant(1500);
    const keys = Array.from({ length: 20 }, (_, at) => `leased/${String(at).padStart(2, '0')}`);
    await Promise.all(keys.map((key) => client.kv.put(key, bytes('x'), { lease: lease.id })));
    await until(async () => watchers.every(({ gone }) => gone.length > 0), {
      timeoutMs: 15_000,
      what: () => 'the keys to vanish',
    });
    for (const { gone } of watchers) expect(gone).toEqual([{ ...gone[0], keys }]);
    expect(new Set(watchers.map(({ gone }) => gone[0]?.revision)).size).toBe(1);
    for (const watcher of watchers) await watcher.stop();
  });

  it('are not ended early when their leader is killed', async () => {
    await using cluster = await ProcessCluster.start(3);
    await using client = new HoldfastClient({ endpoints: cluster.endpoints });
    await knowsLeases(client);
    const ttlMs = 4000;
    const lease = await client.leases.grant(ttlMs);
    await client.kv.put('mine', bytes('x'), { lease: lease.id });
    await delay(2500);
    const sentMs = performance.now();
    await client.leases.keepAlive(lease.id);
    await (await cluster.leader()).kill();
    // Until the end of what was promised, at any moment, on both that are left.
    while (performance.now() < sentMs + ttlMs - 50) {
      const beganMs = performance.now();
      const found = await client.kv.get('mine', { consistency: 'stale' });
      if (beganMs < sentMs + ttlMs) expect(found, 'it vanished too early').toBeDefined();
      await delay(20);
    }
    await until(async () => (await client.kv.get('mine')) === undefined, {
      timeoutMs: 15_000,
      what: () => 'the key to vanish after all',
    });
  });

  it('that are held live on through leader kills', async () => {
    await using cluster = await ProcessCluster.start(3);
    await using client = new HoldfastClient({ endpoints: cluster.endpoints });
    await knowsLeases(client);
    const lease = await client.leases.grant(6000);
    await using held = client.leases.hold(lease);
    await client.kv.put('held', bytes('x'), { lease: lease.id });
    for (let kill = 0; kill < 2; kill += 1) {
      const leader = await cluster.leader();
      await leader.kill();
      await delay(4000);
      leader.start();
      await cluster.ready();
    }
    expect(held.lost.aborted).toBe(false);
    expect(await client.kv.get('held')).toBeDefined();
    await held.revoke();
    expect(await client.kv.get('held')).toBeUndefined();
  });
});

describe('writes in a session', () => {
  it('take effect once through leader kills, and none stays unknown', async () => {
    await using cluster = await ProcessCluster.start(3);
    await using client = new HoldfastClient({ endpoints: cluster.endpoints, timeoutMs: 30_000 });
    await knowsLeases(client);
    await using session = client.exactlyOnce();
    const stop = new AbortController();
    let written = 0;
    const writers = Array.from({ length: 8 }, async () => {
      while (!stop.signal.aborted) {
        // Each adds one to the version of the key, and to nothing else.
        await session.kv.put('counter', bytes('x'));
        written += 1;
      }
    });
    const ended = writers.map(isOver);
    for (let kill = 0; kill < 5; kill += 1) {
      const before = written;
      await until(async () => written > before + 20 || ended.some((over) => over()), {
        timeoutMs: 20_000,
        what: () => 'writes between two kills',
      });
      const leader = await cluster.leader();
      await leader.kill();
      leader.start();
      await cluster.ready();
    }
    stop.abort();
    await Promise.all(writers);
    const found = await client.kv.get('counter');
    process.stdout.write(`${written} writes, version ${found?.version}\n`);
    expect(found?.version).toBe(written);
  });
});
