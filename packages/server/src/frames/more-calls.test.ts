// Goal: what the HTTP API has of lists, compaction, leases and sessions means the same in frames.
// Method: the door on loopback over an engine in memory, and a client that says what it is told to.
import type { Request, Response } from '@holdfast/proto/client';
import { afterEach, beforeEach, expect, it } from 'vitest';

import { listen, type TestDoor, testDoor } from '../http/test-door.fixture.ts';
import { FrameClient, get, put, requestOf } from './frame-client.fixture.ts';

let door: TestDoor;
let client: FrameClient;
let lastId = 0;

beforeEach(async () => {
  door = testDoor();
  client = await FrameClient.greeted(await listen(door.app));
});

afterEach(async () => {
  client.link.destroy();
  await door.app.close();
  expect(door.faults).toEqual([]);
});

async function ask(request: Request['request'], more: Partial<Request> = {}): Promise<Response> {
  lastId += 1;
  client.send(requestOf(lastId, request, more));
  return client.answerTo(lastId);
}

/** What was answered, or the code that it failed with. */
async function resultOf(request: Request['request'], more: Partial<Request> = {}) {
  const { response } = await ask(request, more);
  return response?.$case === 'failure' ? response.value.code : response?.value;
}

type List = Extract<NonNullable<Request['request']>, { readonly $case: 'list' }>['value'];

const list = (more: Partial<List['range'] & object>): Request['request'] => {
  const bounds = { keyspace: 0, key: Buffer.from('l'), rangeEnd: Buffer.from('m') };
  const neutral = { limit: 0, revision: 0, keysOnly: false, countOnly: false };
  return { $case: 'list', value: { range: { ...bounds, ...neutral, ...more } } };
};

/** Page by page to the end, as a client does it. */
async function listAll(limit: number) {
  const names: string[] = [];
  const pages: number[] = [];
  let revision = 0;
  let key: Uint8Array = Buffer.from('l');
  for (;;) {
    const answer = await ask(list({ limit, revision, key }));
    if (answer.response?.$case !== 'range') throw new Error(JSON.stringify(answer.response));
    const { kvs, more } = answer.response.value;
    pages.push(kvs.length);
    names.push(...kvs.map((kv) => Buffer.from(kv.key).toString()));
    if (!more) return { names, pages };
    revision ||= answer.revision;
    key = Buffer.concat([kvs.at(-1)?.key ?? Buffer.of(), Buffer.of(0)]);
    await ask(put(`l${names.length}-meanwhile`, 'x'));
  }
}

it('lists all keys of one revision, page by page, whatever is written meanwhile', async () => {
  const wanted = Array.from({ length: 333 }, (_, at) => `l${String(at).padStart(4, '0')}`);
  for (const name of wanted) await ask(put(name, name));
  expect(await listAll(100)).toEqual({ names: wanted, pages: [100, 100, 100, 33] });
  const { response } = await ask(list({ limit: 10 }));
  expect(response).toMatchObject({ $case: 'range', value: { more: true, count: 336 } });
});

it('ends a page of a list where it gets long', async () => {
  const value = 'v'.repeat(500_000);
  for (let at = 10; at < 30; at += 1) await ask(put(`l${at}`, value));
  const { pages, names } = await listAll(0);
  expect([pages.length > 2, names.length]).toEqual([true, 20]);
});

/** As many as a transaction may. */
const putAll = (names: readonly string[], lease = 0n): Request['request'] => {
  const success = names.map((name) => {
    const one = put(name, '');
    if (one?.$case === 'put') one.value.lease = lease;
    return { request: one as never };
  });
  return { $case: 'txn', value: { compare: [], success, failure: [] } };
};

it.each([0, -1, 1001])('ends a range at a thousand keys, limit %i', async (limit) => {
  for (let at = 0; at < 11; at += 1) {
    await ask(putAll(Array.from({ length: 100 }, (_, n) => `l-${at}-${n}`)));
  }
  const range = get('l', 'm');
  if (range?.$case === 'range') range.value.limit = limit;
  const { response } = await ask(range);
  if (response?.$case !== 'range') throw new Error(response?.$case);
  expect([response.value.kvs.length, response.value.more]).toEqual([1000, true]);
});

it('says what is wrong with a list', async () => {
  expect(await resultOf({ $case: 'list', value: { range: undefined } })).toBe('invalid-argument');
  for (const more of [{ keyspace: 2 }, { revision: -1 }, { limit: -1 }, { countOnly: true }]) {
    expect(await resultOf(list(more))).toBe('invalid-argument');
  }
  expect(await resultOf(list({ revision: 99 }))).toBe('future-revision');
});

it('compacts, in no session', async () => {
  await ask(put('a', '1'));
  await ask(put('a', '2'));
  const compact = { $case: 'compact', value: { revision: 3 } } as const;
  const session = { id: 1n, sequence: 1n, lowestPending: 1n };
  expect(await resultOf(compact, { session })).toBe('invalid-argument');
  expect(await ask(compact)).toMatchObject({ revision: 3, response: { $case: 'compact' } });
  expect(await resultOf({ $case: 'compact', value: { revision: 2 } })).toBe('compacted');
});

it('grants leases, keeps them, tells of them, and ends them with their keys', async () => {
  const grant = { $case: 'leaseGrant', value: { id: 7n, ttlMs: 60_000 } } as const;
  expect(await resultOf(grant)).toEqual({ id: 7n, ttlMs: 60_000 });
  expect(await resultOf(grant)).toBe('already-exists');
  const chosen = await resultOf({ $case: 'leaseGrant', value: { id: 0n, ttlMs: 1000 } });
  expect((chosen as { id: bigint }).id).toBeGreaterThan(0n);
  expect(await resultOf({ $case: 'leaseGrant', value: { id: 0n, ttlMs: -5 } })).toBe(
    'invalid-argument',
  );
  const leased = put('leased', 'x');
  if (leased?.$case === 'put') leased.value.lease = 7n;
  await ask(leased);
  const time = { id: 7n, ttlMs: 60_000, remainingMs: 60_000, keys: [] };
  expect(await resultOf({ $case: 'leaseKeepAlive', value: { id: 7n } })).toEqual(time);
  expect(await resultOf({ $case: 'leaseTime', value: { id: 7n, keys: false } })).toEqual(time);
  const told = await resultOf({ $case: 'leaseTime', value: { id: 7n, keys: true } });
  expect((told as { keys: Uint8Array[] }).keys.map((key) => Buffer.from(key).toString())).toEqual([
    'leased',
  ]);
  const ids = [7n, (chosen as { id: bigint }).id];
  expect(await resultOf({ $case: 'leases', value: { limit: 0 } })).toEqual({ ids, count: 2 });
  expect(await resultOf({ $case: 'leases', value: { limit: 1 } })).toEqual({ ids: [7n], count: 2 });
  expect(await resultOf({ $case: 'leases', value: { limit: 10_001 } })).toBe('invalid-argument');
  expect(await resultOf({ $case: 'leaseRevoke', value: { id: 7n, judgedAt: 0 } })).toEqual({
    deleted: 1,
  });
  for (const kind of ['leaseRevoke', 'leaseKeepAlive'] as const) {
    const ask = (id: bigint) =>
      kind === 'leaseRevoke'
        ? resultOf({ $case: kind, value: { id, judgedAt: 0 } })
        : resultOf({ $case: kind, value: { id } });
    expect([await ask(7n), await ask(0n)]).toEqual(['not-found', 'invalid-argument']);
  }
});

it('names the keys of a lease of any length, or says that they are too long', async () => {
  await ask({ $case: 'leaseGrant', value: { id: 7n, ttlMs: 60_000 } });
  const long = 'k'.repeat(16_000);
  const told = () => resultOf({ $case: 'leaseTime', value: { id: 7n, keys: true } });
  for (let at = 0; at < 14; at += 1) {
    if (at === 12) expect(((await told()) as { keys: unknown[] }).keys.length).toBe(1200);
    await ask(
      putAll(
        Array.from({ length: 100 }, (_, n) => `${long}${at}-${n}`),
        7n,
      ),
    );
  }
  expect(await told()).toBe('too-large');
});

it('keeps sessions, in which a write takes effect once', async () => {
  const register = { $case: 'sessionRegister', value: { id: 9n, ttlMs: 60_000 } } as const;
  expect(await resultOf(register)).toEqual({ id: 9n, ttlMs: 60_000 });
  expect(await resultOf(register)).toEqual({ id: 9n, ttlMs: 60_000 });
  const session = { id: 9n, sequence: 1n, lowestPending: 1n };
  const first = await ask(put('a', '1'), { session });
  expect((await ask(put('a', '2'), { session })).revision).toBe(first.revision);
  const grant = { $case: 'leaseGrant', value: { id: 0n, ttlMs: 1000 } } as const;
  const second = { ...session, sequence: 2n };
  expect(await resultOf(grant, { session: second })).toEqual(
    await resultOf(grant, { session: second }),
  );
  expect(await resultOf(register, { session })).toBe('invalid-argument');
  expect(await resultOf({ $case: 'sessionKeepAlive', value: { id: 9n } })).toEqual({});
  expect(await resultOf({ $case: 'sessionClose', value: { id: 9n } })).toEqual({});
  expect(await resultOf({ $case: 'sessionKeepAlive', value: { id: 9n } })).toBe('session-expired');
  expect(await resultOf({ $case: 'sessionClose', value: { id: 0n } })).toBe('invalid-argument');
});
