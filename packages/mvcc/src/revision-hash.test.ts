// Goal: members that have compacted the same have one hash at a revision, however they came by
// their memory and whatever they have written since; and another one where a record is another.
// Method: one history by replay, under reclaiming, from an image, and while it goes on.
import { SeededRandom } from '@holdfast/base/seeded-random';
import { describe, expect, it } from 'vitest';
import { applyAll, chunked, collect, compact, del, newStore, put } from './command.fixture.ts';
import type { KvStore } from './kv-store.ts';

/** The same for each seed. */
function filled(seed: number, slabBytes = 1 << 20): KvStore {
  const store = newStore({ slabBytes });
  const random = new SeededRandom(seed);
  for (let n = 0; n < 500; n += 1) {
    const key = `k${random.integer(0, 60)}`;
    if (random.integer(0, 10) === 0) applyAll(store, del(key));
    else applyAll(store, put(key, `value ${n}`));
  }
  return store;
}

describe('the hash of a revision', () => {
  it('is the same by replay, after reclaiming, from an image, and later', async () => {
    for (const compacted of [0, 200]) {
      const stores = [filled(1), filled(1, 4096), filled(1)];
      if (compacted > 0) for (const store of stores) applyAll(store, compact(compacted));
      const [plain, reclaimed, later] = stores as [KvStore, KvStore, KvStore];
      while (reclaimed.reclaim(50));
      for (let n = 0; n < 100; n += 1) applyAll(later, put(`k${n % 60}`, 'later'), del('k1'));
      const loaded = newStore({ slabBytes: 4096 });
      const image = chunked(await collect(plain.image().chunks()), 1000);
      await loaded.restore({ index: plain.appliedIndex }, image);
      for (const revision of [compacted + 1, 300, plain.revision]) {
        const expected = await plain.hashRevision(revision);
        expect(expected).toMatchObject({ revision, compactRevision: compacted });
        for (const store of [reclaimed, later, loaded]) {
          expect(await store.hashRevision(revision)).toEqual(expected);
        }
      }
      expect(await plain.hashRevision(0)).toEqual(await plain.hashRevision(plain.revision));
    }
  });

  it('stays that of its moment while writes and compactions go on', async () => {
    const quiet = filled(2);
    let isWalking = false;
    let turn = 0;
    const busy = newStore({
      slabBytes: 4096,
      yieldNow: () => {
        if (isWalking) turn += 1;
        if (isWalking && turn < 20) applyAll(busy, put(`n${turn}`, 'new'), compact(busy.revision));
        while (busy.reclaim(100));
        return Promise.resolve();
      },
    });
    const image = chunked(await collect(quiet.image().chunks()), 1000);
    await busy.restore({ index: quiet.appliedIndex }, image);
    isWalking = true;
    expect(await busy.hashRevision(0)).toEqual(await quiet.hashRevision(0));
    expect(turn).toBeGreaterThan(3);
    expect(busy.reclaimPending).toBe(true);
  });

  it('differs where a record does', async () => {
    const [one, other] = [filled(3), filled(3)];
    applyAll(one, put('x', 'right'));
    applyAll(other, put('x', 'wrong'));
    const [before, after] = [one.revision - 1, one.revision];
    expect(await other.hashRevision(before)).toEqual(await one.hashRevision(before));
    expect(await other.hashRevision(after)).not.toEqual(await one.hashRevision(after));
    const { hash } = await one.hashRevision(before);
    applyAll(one, compact(before));
    expect((await one.hashRevision(before)).hash).not.toBe(hash);
  });

  it('is refused of what is not there', async () => {
    const store = filled(4);
    applyAll(store, compact(100));
    const later = store.revision + 1;
    await expect(store.hashRevision(99)).rejects.toMatchObject({ code: 'compacted' });
    await expect(store.hashRevision(later)).rejects.toMatchObject({ code: 'future-revision' });
    expect(await newStore().hashRevision(0)).toMatchObject({ compactRevision: 0 });
  });
});
