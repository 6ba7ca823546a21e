// Goal: keys hang on leases and vanish with them, in one revision, by the word of the right term
// alone (safety.md 20). Method: commands to a store; watches, views and a restore look at the end.
import { describe, expect, it } from 'vitest';
import {
  applyAll,
  applyAt,
  bytes,
  chunked,
  collect,
  command,
  compact,
  compare,
  del,
  failureCode,
  grant,
  newStore,
  newStoreAtThree,
  newStoreAtTwo,
  op,
  put,
  raiseTo,
  rangeRequest,
  revoke,
  text,
  txn,
} from './command.fixture.ts';
import { imageHeaderBytes, sectionHeaderBytes, sectionKinds } from './image-format.ts';
import type { KvStore } from './kv-store.ts';

const keysOf = (store: KvStore, id: bigint): string[] =>
  store.leases
    .keysOf(id)
    .map(({ keyspace, key }) => `${keyspace}:${text(key)}`)
    .sort();

const leaseOf = (store: KvStore, key: string): bigint | undefined =>
  store.range(rangeRequest(key)).kvs[0]?.lease;

const expire = (term: number, ...ids: bigint[]) =>
  command('leaseExpire', { ids, term, grantedAt: [] });
const checkpoint = (term: number, id: bigint, remainingMs: number) =>
  command('leaseCheckpoint', { leases: [{ id, remainingMs, grantedAt: 0 }], term });

async function restored(store: KvStore): Promise<KvStore> {
  const image = await collect(store.image().chunks());
  const copy = newStore({ slabBytes: 640 });
  await copy.restore({ index: store.appliedIndex }, chunked(image, 100));
  return copy;
}

function sectionKindsOf(image: Uint8Array): number[] {
  const view = new DataView(image.buffer, image.byteOffset, image.byteLength);
  const kinds: number[] = [];
  let at = imageHeaderBytes;
  while (at < image.length) {
    kinds.push(view.getUint32(at, true));
    at += sectionHeaderBytes + view.getUint32(at + 8, true);
  }
  return kinds;
}

describe('a lease', () => {
  it('is granted once, within bounds, and is there', () => {
    const store = newStoreAtTwo();
    const granted = applyAll(store, grant(7n, 5000));
    expect(granted.response).toEqual({ $case: 'leaseGrant', value: { id: 7n, ttlMs: 5000 } });
    const facts = { id: 7n, ttlMs: 5000, remainingMs: 5000, grantedAt: 0, keyCount: 0 };
    expect(store.leases.get(7n)).toEqual(facts);
    expect([...store.leases.ids()]).toEqual([7n]);
    expect(store.revision).toBe(1);
    const refused: [Parameters<typeof grant>, string][] = [
      [[7n, 5000], 'already-exists'],
      [[0n], 'invalid-argument'],
      [[-1n], 'invalid-argument'],
      [[8n, 999], 'invalid-argument'],
      [[8n, 9_000_000_000_001], 'invalid-argument'],
    ];
    for (const [wanted, code] of refused) {
      expect(failureCode(applyAll(store, grant(...wanted)))).toBe(code);
    }
    expect(failureCode(applyAll(store, grant(8n, 9_000_000_000_000)))).toBeUndefined();
    expect(store.leases.size).toBe(2);
  });

  it('is one of a limited number', () => {
    const store = newStoreAtTwo({ limits: { leasesMax: 2 } });
    expect(failureCode(applyAll(store, grant(1n), grant(2n)))).toBeUndefined();
    expect(failureCode(applyAll(store, grant(3n)))).toBe('resource-exhausted');
    expect(failureCode(applyAll(store, revoke(1n), grant(3n)))).toBeUndefined();
  });

  it('has the keys that were last put with it', () => {
    const store = newStoreAtTwo();
    applyAll(
      store,
      grant(1n),
      grant(2n),
      put('a', '1', { lease: 1n }),
      put('b', '', { lease: 1n }),
    );
    expect(keysOf(store, 1n)).toEqual(['1:a', '1:b']);
    applyAll(store, put('a', '2', { lease: 2n }));
    expect([keysOf(store, 1n), keysOf(store, 2n)]).toEqual([['1:b'], ['1:a']]);
    applyAll(store, put('a', '3', { ignoreLease: true }));
    expect([keysOf(store, 2n), leaseOf(store, 'a')]).toEqual([['1:a'], 2n]);
    applyAll(store, put('a', '4'), del('b'));
    expect([store.leases.get(1n)?.keyCount, store.leases.get(2n)?.keyCount]).toEqual([0, 0]);
    expect(leaseOf(store, 'a')).toBe(0n);
    applyAll(store, put('b', '', { lease: 2n, keyspace: 2 }));
    expect(keysOf(store, 2n)).toEqual(['2:b']);
    store.validate();
  });

  it('must exist for a put, alone or in a transaction, which then writes nothing', () => {
    const store = newStoreAtTwo();
    const wanted = { code: 'not-found', message: 'requested lease not found' };
    const alone = applyAll(store, put('a', '1', { lease: 9n }));
    expect(alone.response).toMatchObject({ $case: 'failure', value: wanted });
    const both = txn([], [op(put('a', '1')), op(put('b', '1', { lease: 9n }))]);
    expect(applyAll(store, both).response).toMatchObject({ $case: 'failure', value: wanted });
    expect([store.revision, store.keys]).toEqual([1, 0]);
  });

  it('is what a comparison sees', () => {
    const store = newStoreAtTwo();
    applyAll(store, grant(5n), put('a', '1', { lease: 5n }));
    const guard = (value: bigint) => compare('a', { $case: 'lease', value });
    const held = applyAll(store, txn([guard(5n)], [op(put('b', 'yes'))], [op(put('b', 'no'))]));
    expect(held.response).toMatchObject({ $case: 'txn', value: { succeeded: true } });
    const gone = applyAll(store, txn([guard(6n)], [op(put('b', 'yes'))], [op(put('b', 'no'))]));
    expect(gone.response).toMatchObject({ $case: 'txn', value: { succeeded: false } });
  });

  it('takes its keys with it in one revision, in key order, with what they were', () => {
    const store = newStoreAtTwo();
    const lease = 1n;
    applyAll(store, grant(lease), grant(2n), put('z', 'last', { lease }), put('k', 'not'));
    applyAll(store, put('b', 'x', { lease }), put('a', 'y', { lease, keyspace: 2 }));
    applyAll(store, put('a', 'first', { lease }), put('c', 'other', { lease: 2n }));
    const start = store.revision;
    const range = { keyspace: 1, key: bytes('a'), rangeEnd: bytes('\0'), prevKv: true };
    let told = 0;
    const cursor = store.watch(range, () => {
      told += 1;
    });
    const elsewhere = store.watch({ ...range, keyspace: 2 }, () => undefined);
    const answer = applyAll(store, revoke(lease));
    expect(answer.response).toEqual({ $case: 'leaseRevoke', value: { deleted: 4 } });
    expect([store.revision, answer.revision, told]).toEqual([start + 1, start + 1, 1]);
    const [batch, ...more] = cursor.next(1);
    expect([batch?.revision, more]).toEqual([start + 1, []]);
    const events = batch?.events.map(({ type, kv, prevKv }) => [
      type,
      text(kv.key),
      prevKv && text(prevKv.value),
    ]);
    expect(events).toEqual([
      ['delete', 'a', 'first'],
      ['delete', 'b', 'x'],
      ['delete', 'z', 'last'],
    ]);
    expect(elsewhere.next(9).flatMap((one) => one.events.map(({ kv }) => text(kv.key)))).toEqual([
      'a',
    ]);
    expect([store.leases.size, store.keys]).toEqual([1, 2]);
    expect(failureCode(applyAll(store, revoke(lease)))).toBe('not-found');
    expect(failureCode(applyAll(store, put('n', '', { lease })))).toBe('not-found');
    store.validate();
  });

  it('without keys ends without a revision', () => {
    const store = newStoreAtTwo();
    applyAll(store, grant(1n), put('a', '1', { lease: 1n }), del('a'));
    const before = store.revision;
    const answer = applyAll(store, revoke(1n));
    expect(answer.response).toEqual({ $case: 'leaseRevoke', value: { deleted: 0 } });
    expect(store.revision).toBe(before);
  });
});

describe('an expiry', () => {
  it('ends all that it names and that are there, in one revision', () => {
    const store = newStoreAtTwo();
    applyAll(store, grant(1n), grant(2n), grant(3n));
    applyAll(store, put('b', '', { lease: 1n }), put('a', '', { lease: 2n }));
    applyAll(store, put('c', '', { lease: 3n }));
    const before = store.revision;
    const answer = applyAt(store, { term: 4 }, expire(4, 1n, 99n, 2n, 1n));
    expect(answer.response).toEqual({ $case: 'leaseExpire', value: { expired: [1n, 2n] } });
    expect([store.revision, [...store.leases.ids()], store.keys]).toEqual([before + 1, [3n], 1]);
    store.validate();
  });

  it('of another term ends nothing and leaves no trace', () => {
    const store = newStoreAtTwo();
    applyAll(store, grant(1n), put('a', '', { lease: 1n }));
    const { stateHash, revision } = store;
    const generation = store.leases.generation;
    for (const [said, written] of [
      [1, 2],
      [3, 2],
    ] as const) {
      const answer = applyAt(store, { term: written }, expire(said, 1n));
      expect(answer.response).toEqual({ $case: 'leaseExpire', value: { expired: [] } });
      applyAt(store, { term: written }, checkpoint(said, 1n, 5));
    }
    expect([store.stateHash, store.revision]).toEqual([stateHash, revision]);
    expect(store.leases.get(1n)).toMatchObject({ remainingMs: 10_000, keyCount: 1 });
    expect(store.leases.generation).toBe(generation);
  });
});

describe('a lease that was granted anew under its id', () => {
  const id = 1n;
  const named = (grantedAt: number) => ({
    expiry: command('leaseExpire', { ids: [id], term: 1, grantedAt: [BigInt(grantedAt)] }),
    checkpoint: command('leaseCheckpoint', {
      leases: [{ id, remainingMs: 1, grantedAt }],
      term: 1,
    }),
  });
  const grantedAt = (store: KvStore): number => store.leases.get(id)?.grantedAt ?? -1;

  it('is not ended or shortened by what the leader meant for the one before it', () => {
    const store = newStoreAtThree();
    applyAll(store, grant(id));
    const before = grantedAt(store);
    applyAll(store, revoke(id), grant(id), put('a', '', { lease: id }));
    expect(grantedAt(store)).toBeGreaterThan(before);
    const { stateHash } = store;
    const late = named(before);
    const answer = applyAll(store, late.checkpoint, late.expiry);
    expect(answer.response).toEqual({ $case: 'leaseExpire', value: { expired: [] } });
    expect(store.leases.get(id)).toMatchObject({ remainingMs: 10_000, keyCount: 1 });
    expect(store.stateHash).toBe(stateHash);
    applyAll(store, named(grantedAt(store)).expiry);
    expect([store.leases.size, store.keys]).toEqual([0, 0]);
  });

  it('is told apart after a restore too, also beside leases of an older version', async () => {
    const store = newStoreAtTwo();
    applyAll(store, grant(2n), ...raiseTo(3), grant(id), revoke(id), grant(id), grant(3n));
    const copy = await restored(store);
    expect([...copy.leases.ids()]).toEqual([2n, 1n, 3n]);
    for (const lease of [1n, 2n, 3n]) {
      expect(copy.leases.get(lease)).toEqual(store.leases.get(lease));
    }
    applyAll(copy, named(grantedAt(store) - 2).expiry);
    expect(copy.leases.size).toBe(3);
    applyAll(copy, named(grantedAt(store)).expiry, expire(1, 2n));
    expect([...copy.leases.ids()]).toEqual([3n]);
  });

  it('is the same to a member of cluster version 2, which knows no grants', async () => {
    const store = newStoreAtTwo();
    applyAll(store, grant(id), revoke(id), grant(id));
    expect(grantedAt(store)).toBe(0);
    const image = await collect(store.image().chunks());
    const kinds = sectionKindsOf(image);
    expect(kinds).toContain(sectionKinds.leases);
    expect(kinds).not.toContain(sectionKinds.grantedLeases);
    applyAll(store, named(0).expiry);
    expect(store.leases.size).toBe(0);
  });
});

describe('a checkpoint', () => {
  it('says what a new leader gives the lease, as a whole or not at all', () => {
    const store = newStoreAtTwo();
    applyAll(store, grant(1n, 60_000), grant(2n, 60_000));
    applyAt(store, { term: 3 }, checkpoint(3, 1n, 20_000));
    expect(store.leases.get(1n)).toMatchObject({ ttlMs: 60_000, remainingMs: 20_000 });
    applyAt(store, { term: 3 }, checkpoint(3, 99n, 5));
    const leases = [
      { id: 2n, remainingMs: 1, grantedAt: 0 },
      { id: 1n, remainingMs: 60_001, grantedAt: 0 },
    ];
    const wrong = applyAt(store, { term: 3 }, command('leaseCheckpoint', { leases, term: 3 }));
    expect(failureCode(wrong)).toBe('invalid-argument');
    expect(store.leases.get(2n)?.remainingMs).toBe(60_000);
    expect(store.revision).toBe(1);
  });
});

describe('leases', () => {
  it('are refused while the cluster version is 1, the same on every member', () => {
    const store = newStore();
    for (const early of [grant(1n), revoke(1n), expire(1, 1n), checkpoint(1, 1n, 5)]) {
      expect(failureCode(applyAll(store, early))).toBe('failed-precondition');
    }
    expect([store.leases.size, store.stateHash]).toEqual([0, 0n]);
    applyAll(store, ...raiseTo(2));
    expect(failureCode(applyAll(store, grant(1n)))).toBeUndefined();
  });

  it('tell by their generation that something came, went or was check-pointed', async () => {
    const store = newStoreAtTwo();
    const seen: number[] = [];
    const note = (): void => void seen.push(store.leases.generation);
    for (const step of [grant(1n), grant(2n), checkpoint(1, 2n, 5), revoke(1n), expire(1, 2n)]) {
      applyAll(store, step);
      note();
    }
    const image = await collect(store.image().chunks());
    await store.restore({ index: store.appliedIndex }, chunked(image, 1000));
    note();
    expect(seen.every((value, n) => n === 0 || value > (seen[n - 1] as number))).toBe(true);
    const quiet = store.leases.generation;
    applyAll(store, put('a', '1'), del('a'));
    expect(store.leases.generation).toBe(quiet);
  });

  it('come back from an image with their keys, also where old records name ended ones', async () => {
    const store = newStoreAtTwo();
    applyAll(store, grant(1n), grant(2n, 60_000), grant(3n));
    applyAll(store, put('a', '', { lease: 1n }), put('b', '', { lease: 2n }), revoke(1n));
    applyAll(store, put('a', '', { lease: 3n }), put('c', '', { lease: 3n }), put('c', 'free'));
    applyAll(store, grant(1n), put('d', '', { lease: 2n, keyspace: 2 }));
    applyAt(store, { term: 2 }, checkpoint(2, 2n, 7000));
    const copy = await restored(store);
    copy.validate();
    expect([...copy.leases.ids()]).toEqual([...store.leases.ids()]);
    expect(copy.leases.get(2n)).toMatchObject({ ttlMs: 60_000, remainingMs: 7000, keyCount: 2 });
    for (const id of [1n, 2n, 3n]) expect(keysOf(copy, id)).toEqual(keysOf(store, id));
    const last = [compact(store.revision), revoke(2n), revoke(3n), grant(4n)];
    for (const one of [store, copy]) applyAll(one, ...last);
    expect(copy.describe()).toBe(store.describe());
    expect(copy.keys).toBe(1);
  });

  it('change the hash whatever differs', () => {
    const hashOf = (...commands: ReturnType<typeof grant>[]): bigint => {
      const store = newStoreAtTwo();
      if (commands.length > 0) applyAll(store, ...commands);
      return store.stateHash;
    };
    const hashes = [
      hashOf(),
      hashOf(grant(1n)),
      hashOf(grant(2n)),
      hashOf(grant(1n, 11_000)),
      hashOf(grant(1n), revoke(1n)),
      hashOf(grant(1n), checkpoint(1, 1n, 5)),
      hashOf(grant(1n), checkpoint(1, 1n, 6)),
      hashOf(grant(1n), put('a', '')),
      hashOf(grant(1n), put('a', '', { lease: 1n })),
    ];
    expect(new Set(hashes).size).toBe(hashes.length);
  });
});
