// Goal: a state that begins the life of another cluster holds what it held, without the old
// cluster's members; and one that goes on at a later revision can be read there and watched from
// there on only. Method: states with history and without, through an image and back.
import { revision } from '@holdfast/base/ids';
import { describe, expect, it } from 'vitest';
import {
  applyAll,
  bytes,
  chunked,
  collect,
  compact,
  del,
  newStore,
  put,
  raiseTo,
  rangeRequest,
  text,
} from './command.fixture.ts';
import type { KvStore } from './kv-store.ts';

const write = { keyspace: 9, key: bytes('restored'), value: bytes('then'), lease: 0n };

async function reloaded(store: KvStore): Promise<KvStore> {
  const other = newStore();
  const last = { index: store.appliedIndex };
  await other.restore(last, chunked(await collect(store.image().chunks()), 500));
  other.validate();
  return other;
}

const valuesOf = (store: KvStore): readonly string[] =>
  store.range(rangeRequest('a', 'z')).kvs.map(({ key, value }) => `${text(key)}=${text(value)}`);

describe('a state reborn', () => {
  it('holds all it held, at the same revision and hash, and nobody is bound', async () => {
    const store = newStore();
    applyAll(store, ...raiseTo(2), put('a', '1'), put('a', '2'), del('a'), put('b', '3'));
    const { revision: before, stateHash, compactRevision } = store;
    store.rebirth();
    const loaded = await reloaded(store);
    for (const one of [store, loaded]) {
      expect(one.members()).toEqual([]);
      expect([one.revision, one.stateHash]).toEqual([before, stateHash]);
      expect(one.compactRevision).toBe(compactRevision);
      expect(text(one.range(rangeRequest('a', '', { revision: 3 })).kvs[0]?.value as never)).toBe(
        '2',
      );
    }
  });

  it('at a later revision holds the newest of each key, and no history', async () => {
    const histories = [
      [],
      [put('a', '1')],
      [put('a', '1'), put('b', '1'), put('a', '2'), compact(3), put('c', '1'), del('b')],
      [put('a', '1'), del('a')],
      [put('a', '1'), put('b', '1'), del('a'), compact(4)],
    ];
    for (const history of histories) {
      const store = newStore();
      if (history.length > 0) applyAll(store, ...history);
      const values = valuesOf(store);
      const hash = store.stateHash;
      store.rebirth({ revision: revision(store.revision + 1_000_000), write });
      store.validate();
      const loaded = await reloaded(store);
      for (const one of [store, loaded]) {
        expect(valuesOf(one)).toEqual(values);
        expect(one.compactRevision).toBe(one.revision);
        expect(one.revision).toBeGreaterThan(1_000_000);
        expect(one.stateHash).not.toBe(hash);
        expect(() => one.range(rangeRequest('a', '', { revision: one.revision - 1 }))).toThrow(
          'compacted',
        );
      }
      expect(loaded.bytes).toBe(store.bytes);
      // It goes on as any state, and alike wherever it was loaded.
      const at = store.revision;
      for (const one of [store, loaded]) {
        expect(applyAll(one, put('a', 'after'), del('c'), put('d', 'x')).revision).toBeGreaterThan(
          at,
        );
        applyAll(one, compact(at + 1));
        one.validate();
      }
      expect(loaded.stateHash).toBe(store.stateHash);
      expect(loaded.bytes).toBe(store.bytes);
    }
  });

  it('can leap twice', async () => {
    const store = newStore();
    applyAll(store, put('a', '1'));
    store.rebirth({ revision: revision(100), write });
    const once = await reloaded(store);
    once.rebirth({ revision: revision(200), write });
    once.validate();
    const twice = await reloaded(once);
    expect([twice.revision, twice.bytes, valuesOf(twice)]).toEqual([200, once.bytes, ['a=1']]);
  });
});
