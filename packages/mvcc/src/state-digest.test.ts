// Goal: members with one history have one digest, however they came by their memory; and no bit of
// that memory turns without the digest saying so. Method: one history by replay, under reclaiming
// and from an image; then every kind of place is spoiled, one bit at a time.
import { SeededRandom } from '@holdfast/base/seeded-random';
import { describe, expect, it } from 'vitest';
import {
  applyAll,
  applyAt,
  bytes,
  chunked,
  collect,
  command,
  compact,
  del,
  grant,
  newStore,
  newStoreAtTwo,
  put,
  raiseTo,
  rangeRequest,
  register,
  yieldNow,
} from './command.fixture.ts';
import type { KvStore } from './kv-store.ts';
import { digestFormat, type StateDigest } from './state-digest.ts';

function filled(slabBytes = 2048, isCompacted = true): KvStore {
  const store = newStoreAtTwo({ slabBytes });
  applyAll(store, grant(1n), grant(2n), register(3n));
  const session = { sessionId: 3n, sequence: 1n, pendingSpan: 0 };
  applyAt(store, { session }, put('k1', 'leased', { lease: 2n }));
  for (let n = 0; n < 300; n += 1) applyAll(store, put(`k${n % 60}`, `value ${n}`));
  applyAll(store, put('k2', 'leased', { lease: 1n }), del('k1', 'k2'), put('kept', 'as it is'));
  if (isCompacted) applyAll(store, compact(store.revision - 90));
  return store;
}

/** The block that holds all records: values are views of it. */
function memoryOf(store: KvStore): Uint8Array {
  const { kvs } = store.range(rangeRequest('kept'));
  const [kept] = kvs;
  if (!kept) throw new Error('the key is there');
  const memory = new Uint8Array(kept.value.buffer);
  return memory.subarray(0, memory.findLastIndex((byte) => byte !== 0) + 1);
}

async function digestOf(store: KvStore): Promise<StateDigest> {
  const digest = await store.digester().digest(yieldNow);
  if (!digest) throw new Error('the walk ended with nothing');
  return digest;
}

describe('a digest', () => {
  it('is the same by replay, after reclaiming, and from an image', async () => {
    const [plain, other] = [filled(), filled(64 * 1024)];
    const expected = await digestOf(plain);
    while (other.reclaim(50));
    expect(await digestOf(other)).toEqual(expected);
    const image = await collect(plain.image().chunks());
    const loaded = newStore({ slabBytes: 4096 });
    await loaded.restore({ index: plain.appliedIndex }, chunked(image, 1000));
    expect(await digestOf(loaded)).toEqual(expected);
    expect(expected.stateHash).toBe(plain.stateHash);
    expect(expected.index).toBe(plain.appliedIndex);
  });

  it('stays that of its moment while writes and compactions go on', async () => {
    const [quiet, busy] = [filled(), filled()];
    let turn = 0;
    const digest = await busy.digester().digest(() => {
      turn += 1;
      applyAll(busy, put(`k${turn % 60}`, 'new'), put(`n${turn}`, 'new'), del(`k${turn % 7}`));
      if (turn % 3 === 0) applyAll(busy, compact(busy.revision - 1));
      while (busy.reclaim(100));
      return Promise.resolve();
    });
    expect(turn).toBeGreaterThan(5);
    expect(digest).toEqual(await digestOf(quiet));
    expect(busy.reclaim(1), 'reclaiming goes on behind it').toBe(true);
  });

  it('tells states apart that differ in one change', async () => {
    const [one, other] = [filled(), filled()];
    applyAll(one, put('z', 'a'));
    applyAll(other, put('z', 'b'));
    const [a, b] = [await digestOf(one), await digestOf(other)];
    expect(a.contentHash).not.toBe(b.contentHash);
    const differing = a.parts.filter((part, at) => part !== b.parts[at]);
    expect(differing.length, 'its record, and the head with the rolling hash').toBe(2);
  });

  it('shows one turned bit of a value that nobody has written since', async () => {
    const store = filled();
    const before = await digestOf(store);
    expect(store.spoil(1, bytes('kept'), 13)).toBe(true);
    const after = await digestOf(store);
    expect(after.stateHash, 'no change came by').toBe(before.stateHash);
    expect(after.contentHash).not.toBe(before.contentHash);
    expect(after.parts.filter((part, at) => part !== before.parts[at])).toHaveLength(1);
    expect(store.spoil(1, bytes('nobody'), 0), 'there is nothing to turn').toBe(false);
  });

  it('shows a turned bit of any kept record, links included', async () => {
    const random = new SeededRandom(7);
    const store = filled(64 * 1024, false);
    const before = await digestOf(store);
    const memory = memoryOf(store);
    let unseen = 0;
    for (let turn = 0; turn < 600; turn += 1) {
      const at = random.integer(0, memory.length);
      const mask = 1 << random.integer(0, 8);
      memory[at] = (memory[at] as number) ^ mask;
      const { contentHash } = await digestOf(store);
      if (contentHash === before.contentHash) unseen += 1;
      memory[at] = (memory[at] as number) ^ mask;
    }
    expect(await digestOf(store), 'all was put back').toEqual(before);
    expect(unseen).toBe(0);
  });

  it('ends with nothing once a newer check or a whole new state has come', async () => {
    const store = filled();
    const digester = store.digester();
    const walk = digester.digest(async () => digester.release());
    expect(await walk).toBeUndefined();
    while (store.reclaim(100));
    expect(store.reclaimPending, 'nothing holds the memory any more').toBe(false);
  });
});

it('a check in a format that this version does not know is begun by nobody', () => {
  const begun: number[] = [];
  const store = newStore({
    checks: {
      onCheck: (digester) => begun.push(digester.index),
      onReport: () => undefined,
      onMembership: () => undefined,
    },
  });
  applyAll(store, ...raiseTo(5));
  applyAll(store, command('stateCheck', { format: digestFormat + 1 }));
  expect(begun).toEqual([]);
  applyAll(store, command('stateCheck', { format: digestFormat }), put('a', 'b'));
  expect(begun).toEqual([store.appliedIndex - 1]);
});
