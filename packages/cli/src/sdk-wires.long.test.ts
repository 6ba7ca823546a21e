// Goal: the SDK's calls about keys, leases and sessions mean the same in frames as over HTTP, down
// to their errors; what is begun over the one goes on over the other. Method: the client library on
// a member's real door on loopback, each call over both, on an engine each.
import { isHoldfastError } from '@holdfast/base/errors';
import { HoldfastClient } from '@holdfast/client/holdfast-client';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { startTestServer, type TestServer } from './test-cluster.ts';

type Side = { readonly server: TestServer; readonly client: HoldfastClient };

let sides: readonly Side[];

async function newSide(isHttpOnly: boolean): Promise<Side> {
  const server = await startTestServer();
  const client = new HoldfastClient({ endpoints: [server.endpoint], isHttpOnly, actor: 'ann' });
  return { server, client };
}

beforeEach(async () => {
  sides = await Promise.all([newSide(false), newSide(true)]);
});

afterEach(async () => {
  for (const { client, server } of sides) {
    await client.close();
    await server.close();
  }
});

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

/** The same on both sides, its failure in what a program sees of it; and what that is. */
async function same(deed: (client: HoldfastClient) => Promise<unknown>): Promise<unknown> {
  const results = await Promise.all(sides.map(({ client }) => deed(client).catch(seen)));
  expect(plain(results[0])).toEqual(plain(results[1]));
  return results[0];
}

/** Words may differ, and the place in a JSON body where something is wrong. */
function seen(error: unknown) {
  if (!isHoldfastError(error)) throw error;
  const { code, outcome, details } = error;
  const { at: _, ...facts } = details;
  return { failed: { code, outcome, facts } };
}

/** A Buffer and bytes are the same. */
const plain = (value: unknown): unknown =>
  JSON.parse(
    JSON.stringify(value ?? null, (_, one) =>
      ArrayBuffer.isView(one) ? Buffer.from(one as Uint8Array).toString('hex') : one,
    ).replaceAll(/\{"type":"Buffer","data":\[([\d,]*)\]\}/g, (_, list: string) =>
      JSON.stringify(Buffer.from(JSON.parse(`[${list}]`) as number[]).toString('hex')),
    ),
  );

const codeOf = (result: unknown): string | undefined =>
  (result as { failed?: { code: string } }).failed?.code;

it('speaks frames where it may, and HTTP where it is told to', async () => {
  await same((client) => client.kv.put('a', bytes('1')));
  const asked = await Promise.all(
    sides.map(async ({ server }) => (await fetch(`http://${server.endpoint}/metrics`)).text()),
  );
  expect(asked.map((text) => /route="frames".*method="put"/.test(text))).toEqual([true, false]);
});

describe('keys', () => {
  it('are written, read, listed and deleted alike', async () => {
    await same((client) => client.kv.get('a'));
    expect(await same((client) => client.kv.put('a', bytes('1')))).toEqual({ revision: 2 });
    await same((client) => client.kv.put('a', bytes('2'), { mayRepeat: true }));
    expect(await same((client) => client.kv.get('a'))).toMatchObject({ version: 2, ageMs: 0 });
    await same((client) => client.kv.get('a', { revision: 2 }));
    await same((client) => client.kv.get('a', { consistency: 'stale', minRevision: 3 }));
    await same((client) => client.kv.get('a', { maxAgeMs: 1000 }));
    await same((client) => client.kv.get('ä/ö %\u0000'));
    await same((client) => client.kv.put('ä/ö %\u0000', bytes('')));
    await same((client) => client.kv.list());
    await same((client) => client.kv.list({ prefix: 'a', keysOnly: true }));
    expect(await same((client) => client.kv.delete('a'))).toEqual({ revision: 5, deleted: 1 });
    expect(await same((client) => client.kv.delete('a'))).toMatchObject({ deleted: 0 });
    await same((client) =>
      client.kv.txn({ success: [{ put: { keyBase64: '/wE=', value: 'x' } }] }),
    );
    await same((client) => client.kv.list());
  });

  it('are written under conditions alike', async () => {
    const put = (ifRevision: number) => (client: HoldfastClient) =>
      client.kv.put('a', bytes('x'), { ifRevision });
    expect(codeOf(await same(put(9)))).toBe('failed-precondition');
    expect(await same(put(0))).toEqual({ revision: 2 });
    expect(codeOf(await same(put(0)))).toBe('failed-precondition');
    expect(await same(put(2))).toEqual({ revision: 3 });
    expect(codeOf(await same((client) => client.kv.delete('a', { ifRevision: 2 })))).toBe(
      'failed-precondition',
    );
    expect(await same((client) => client.kv.delete('a', { ifRevision: 3 }))).toMatchObject({
      deleted: 1,
    });
  });

  it('are refused alike', async () => {
    const wrong: readonly ((client: HoldfastClient) => Promise<unknown>)[] = [
      (client) => client.kv.put('', bytes('x')),
      (client) => client.kv.get(''),
      (client) => client.kv.put('a', new Uint8Array(2_000_000)),
      (client) => client.kv.put('a', bytes('x'), { lease: 'seven' }),
      (client) => client.kv.put('a', bytes('x'), { lease: '7' }),
      (client) => client.kv.put('a', bytes('x'), { ifRevision: -1 }),
      (client) => client.kv.get('a', { revision: 99 }),
      (client) => client.kv.get('a', { revision: 1.5 }),
      (client) => client.kv.get('a', { consistency: 'bounded' }),
      (client) => client.kv.get('a', { consistency: 'stale', maxAgeMs: 5 }),
      (client) => client.kv.list({ limit: 0 }),
      (client) => client.kv.list({ limit: 1001 }),
      (client) => client.kv.list({ cursor: 'nonsense' }),
      (client) => client.kv.watch({}).next(),
      (client) => client.kv.watch({ key: 'a', prefix: 'b' }).next(),
      (client) => client.kv.watch({ key: '' }).next(),
      (client) => client.kv.watch({ key: 'a', fromRevision: 1.5 }).next(),
    ];
    for (const deed of wrong) expect(codeOf(await same(deed)), String(deed)).toBeDefined();
  });

  it('are listed page by page at one revision, over either', async () => {
    for (let at = 0; at < 25; at += 1) {
      await same((client) => client.kv.put(`k${String(at).padStart(2, '0')}`, bytes('x')));
    }
    const [framed, http] = sides.map(({ client }) => client) as [HoldfastClient, HoldfastClient];
    const first = await framed.kv.list({ prefix: 'k', limit: 10 });
    await framed.kv.put('k05-later', bytes('x'));
    const { endpoint } = (sides[0] as Side).server;
    await using other = new HoldfastClient({ endpoints: [endpoint], isHttpOnly: true });
    const second = await other.kv.list({ prefix: 'k', limit: 10, cursor: first.next });
    await framed.kv.put('k15-later', bytes('x'));
    const third = await framed.kv.list({ prefix: 'k', limit: 10, cursor: second.next });
    const keys = [first, second, third].flatMap(({ items }) => items.map(({ key }) => key));
    const wanted = (await http.kv.list({ prefix: 'k' })).items.map(({ key }) => key);
    expect([keys, third.next]).toEqual([wanted, undefined]);
  });
});

describe('transactions', () => {
  it('do and answer alike', async () => {
    await same((client) => client.kv.put('a', bytes('1')));
    const all = [
      { success: [{ get: { key: 'a' } }, { get: { prefix: '', limit: 1 } }] },
      {
        compare: [{ key: 'a', target: 'version', is: 'equal', number: 1 }],
        success: [{ put: { key: 'b', valueBase64: '/w==' } }, { delete: { key: 'a' } }],
      },
      {
        compare: [
          { key: 'b', target: 'value', is: 'not-equal', value: 'x' },
          { keyBase64: 'Yg==', target: 'lease', is: 'equal', lease: '0' },
          { prefix: 'b', target: 'mod-revision', is: 'greater', number: 0 },
          { key: 'b', target: 'create-revision', is: 'less', number: 1 },
        ],
        failure: [{ get: { prefix: 'b' } }],
      },
      {},
    ];
    for (const one of all)
      expect(codeOf(await same((client) => client.kv.txn(one)))).toBeUndefined();
  });

  it('are refused alike', async () => {
    const wrong: readonly unknown[] = [
      5,
      null,
      [],
      { sucess: [] },
      { success: {} },
      { success: [{}] },
      { success: [{ put: { key: 'a', value: 'x' }, get: { key: 'a' } }] },
      { success: [{ put: { key: 'a' } }] },
      { success: [{ put: { key: 'a', value: 'x', valueBase64: '' } }] },
      { success: [{ put: { key: 'a', value: 5 } }] },
      { success: [{ put: { prefix: 'a', value: 'x' } }] },
      { success: [{ put: { key: '', value: 'x' } }] },
      { success: [{ put: { keyBase64: '!', value: 'x' } }] },
      { success: [{ put: { key: 'a', value: 'x', lease: 'x' } }] },
      { success: [{ get: { key: 'a', limit: -1 } }] },
      { success: Array(129).fill({ get: { key: 'a' } }) },
      { compare: [{ key: 'a', target: 'version', is: 'equal' }] },
      { compare: [{ key: 'a', is: 'equal', number: 1 }] },
      { compare: [{ key: 'a', target: 'age', is: 'equal', number: 1 }] },
    ];
    for (const one of wrong) {
      expect(codeOf(await same((client) => client.kv.txn(one))), JSON.stringify(one)).toBe(
        'invalid-argument',
      );
    }
  });
});

describe('leases', () => {
  it('are granted, kept, shown and revoked alike', async () => {
    await same((client) => client.leases.grant(60_000, { id: '7' }));
    await same((client) => client.kv.put('a', bytes('x'), { lease: '7' }));
    await same((client) => client.kv.get('a'));
    await same((client) => client.leases.keepAlive('7'));
    await same((client) => client.leases.timeToLive('7'));
    await same((client) => client.leases.timeToLive('7', { keys: true }));
    await same((client) => client.leases.list());
    await same((client) => client.leases.list({ limit: 1, consistency: 'stale' }));
    expect(codeOf(await same((client) => client.leases.grant(1000, { id: '7' })))).toBe(
      'already-exists',
    );
    expect(await same((client) => client.leases.revoke('7'))).toEqual({ deleted: 1 });
    for (const id of ['7', '0', '-1', 'x', '99999999999999999999']) {
      expect(codeOf(await same((client) => client.leases.keepAlive(id)))).toBeDefined();
      expect(codeOf(await same((client) => client.leases.revoke(id)))).toBeDefined();
      expect(codeOf(await same((client) => client.leases.timeToLive(id)))).toBeDefined();
    }
    for (const ttlMs of [0, -1, 1.5, 1e15]) {
      expect(codeOf(await same((client) => client.leases.grant(ttlMs)))).toBe('invalid-argument');
    }
    for (const limit of [0, 10_001, 1.5]) await same((client) => client.leases.list({ limit }));
  });

  it('are kept by whoever holds them', async () => {
    for (const { client } of sides) {
      const lease = await client.leases.grant(1000);
      await using held = client.leases.hold(lease);
      await new Promise((resolve) => setTimeout(resolve, 1300));
      expect(held.lost.aborted).toBe(false);
      await held.revoke();
    }
  });
});

describe('writes in a session', () => {
  it('take effect once, configurations beside keys', async () => {
    await same(async (client) => {
      await using once = client.exactlyOnce();
      const results = [];
      for (let at = 0; at < 3; at += 1) results.push(await once.kv.put('a', bytes(`${at}`)));
      results.push(await once.kv.delete('a', { ifRevision: 9 }).catch(seen));
      results.push(await once.kv.txn({ success: [{ put: { key: 'b', value: 'x' } }] }));
      const id = { namespace: 'n', group: 'g', name: 'c.txt' };
      results.push((await once.configs.publish(id, bytes('x'))).version);
      return results;
    });
  });
});

describe('watches', () => {
  it('tell the same of what comes and of what was, a revision at a time', async () => {
    await same((client) => client.kv.put('a', bytes('1')));
    await same(async (client) => {
      const stop = new AbortController();
      const { signal } = stop;
      const changes = client.kv.watch({ prefix: '', fromRevision: 2, signal });
      const told = [(await changes.next()).value];
      const success = ['b', 'a', 'c'].map((key) => ({ put: { key, value: 'x' } }));
      await client.kv.txn({ success });
      await client.kv.delete('a');
      for (let at = 0; at < 2; at += 1) told.push((await changes.next()).value);
      stop.abort();
      return told;
    });
  });

  it('end with compacted where the history is gone', async () => {
    await same((client) => client.kv.put('a', bytes('1')));
    await same((client) => client.kv.put('a', bytes('2')));
    for (const { server } of sides) {
      await server.engine.compact({ revision: 3 }, { actor: 'test' });
    }
    const watch = (client: HoldfastClient) => client.kv.watch({ key: 'a', fromRevision: 2 }).next();
    expect(codeOf(await same(watch))).toBe('compacted');
  });

  it('end with their signal, and leave nothing behind', async () => {
    for (const { client, server } of sides) {
      const stop = new AbortController();
      const next = client.kv.watch({ key: 'a', signal: stop.signal }).next();
      while (server.engine.watcherCount === 0)
        await new Promise((resolve) => setImmediate(resolve));
      stop.abort(new Error('enough'));
      await expect(next).rejects.toThrow('enough');
      while (server.engine.watcherCount > 0) await new Promise((resolve) => setImmediate(resolve));
    }
  });
});
