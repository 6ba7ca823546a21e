// Goal: reclaiming changes nothing that anybody can see, however its steps fall between writes and
// compactions. Method: two stores apply the same long, seeded log, one of them in small slabs and
// with a step of reclaiming after each entry; reads, histories and images are compared on the way.
import { SeededRandom } from '@holdfast/base/seeded-random';
import type { Command } from '@holdfast/proto/internal';
import { describe, expect, it } from 'vitest';
import {
  bytes,
  collect,
  compact,
  del,
  entry,
  newStore,
  op,
  put,
  rangeRequest,
  txn,
} from './command.fixture.ts';
import type { KvStore } from './kv-store.ts';

const entryCount = 4000;

/** Hot keys with long chains, cold keys, keys that come and go. */
function nextCommand(random: SeededRandom, store: KvStore): Command {
  const kind = random.integer(0, 100);
  const hot = `hot${random.integer(0, 5)}`;
  const cold = `cold${random.integer(0, 400)}`;
  const value = 'v'.repeat(random.integer(0, 60));
  if (kind < 45) return put(hot, value);
  if (kind < 75) return put(cold, value);
  if (kind < 85) return del(cold);
  if (kind < 88) return del('cold1', 'cold2');
  if (kind < 96) return txn([], [op(put(hot, value)), op(put(cold, value))]);
  const span = store.revision - store.compactRevision;
  return compact(store.compactRevision + random.integer(0, span + 1));
}

function history(store: KvStore, key: string, rangeEnd: string) {
  const startRevision = Math.max(store.compactRevision, 1);
  const range = { keyspace: 1, key: bytes(key), rangeEnd: bytes(rangeEnd) };
  const cursor = store.watch({ ...range, startRevision, prevKv: true }, () => undefined);
  const batches = [];
  while (cursor.behind) batches.push(...cursor.next(50));
  cursor.close();
  return batches;
}

async function expectEqual(one: KvStore, other: KvStore): Promise<void> {
  expect(other.describe()).toBe(one.describe());
  expect(history(other, '\0', '\0')).toEqual(history(one, '\0', '\0'));
  expect(history(other, 'hot1', '')).toEqual(history(one, 'hot1', ''));
  for (const revision of [one.compactRevision, 0]) {
    const request = rangeRequest('\0', '\0', { revision });
    expect(other.range(request)).toEqual(one.range(request));
  }
  expect(await collect(other.image().chunks())).toEqual(await collect(one.image().chunks()));
}

describe('reclaiming', () => {
  it.each([1, 2, 3])('is not to be seen, seed %i', async (seed) => {
    const random = new SeededRandom(seed);
    const [plain, reclaimed] = [newStore(), newStore({ slabBytes: 1024 })];
    for (let at = 1; at <= entryCount; at += 1) {
      const command = nextCommand(random, plain);
      plain.apply([entry(at, command)]);
      reclaimed.apply([entry(at, command)]);
      reclaimed.reclaim(random.integer(1, 12));
      if (at % 200 === 0) reclaimed.validate();
      if (at % 1000 === 0) await expectEqual(plain, reclaimed);
    }
    while (reclaimed.reclaim(10)) reclaimed.validate();
    plain.validate();
    await expectEqual(plain, reclaimed);
  });
});
