// Goal: rule 22 of safety.md: nothing is skipped in silence, nothing is told twice, progress never
// runs ahead, and a watcher that nobody reads costs nothing. Method: a store, cursors and their
// wake-ups.
import { HoldfastError } from '@holdfast/base/errors';
import { describe, expect, it } from 'vitest';
import {
  applyAll,
  bytes,
  chunked,
  collect,
  compact,
  del,
  entry,
  grant,
  newStore,
  newStoreAtTwo,
  op,
  put,
  revoke,
  text,
  txn,
} from './command.fixture.ts';
import type { KvStore } from './kv-store.ts';
import type { WatchCursor } from './watch-cursor.ts';

type Watched = { readonly cursor: WatchCursor; readonly woken: () => number };

function watch(store: KvStore, key: string, rangeEnd = '', startRevision?: number): Watched {
  let woken = 0;
  const range = { keyspace: 1, key: bytes(key), rangeEnd: bytes(rangeEnd) };
  const cursor = store.watch({ ...range, startRevision, prevKv: true }, () => {
    woken += 1;
  });
  return { cursor, woken: () => woken };
}

function read(cursor: WatchCursor, limit = 100): string[] {
  const lines: string[] = [];
  while (cursor.behind) {
    for (const { revision, events } of cursor.next(limit)) {
      const shown = events.map(({ type, kv }) => `${type} ${text(kv.key)}=${text(kv.value)}`);
      lines.push(`${revision}: ${shown.join(', ')}`);
    }
  }
  return lines;
}

describe('a watch', () => {
  it('tells what happens from now on, in its range only', () => {
    const store = newStore();
    applyAll(store, put('a', '0'));
    const one = watch(store, 'a');
    const range = watch(store, 'a', 'c');
    const rest = watch(store, 'b', '\0');
    applyAll(store, put('a', '1'), put('b', '2'), put('c', '3'), put('a', '4', { keyspace: 2 }));
    expect(read(one.cursor)).toEqual(['3: put a=1']);
    expect(read(range.cursor)).toEqual(['3: put a=1', '4: put b=2']);
    expect(read(rest.cursor)).toEqual(['4: put b=2', '5: put c=3']);
  });

  it('is woken once until it has read everything, and not at all by others', () => {
    const store = newStore();
    const { cursor, woken } = watch(store, 'a');
    expect(cursor.behind).toBe(false);
    applyAll(store, put('b', '1'), put('a', '1'), put('a', '2'));
    expect(woken()).toBe(1);
    expect(read(cursor)).toEqual(['3: put a=1', '4: put a=2']);
    applyAll(store, put('a', '3'));
    expect(woken()).toBe(2);
  });

  it('is told at the end of a batch, when the whole batch can be read', () => {
    const store = newStore();
    const seen: string[] = [];
    const cursor = store.watch({ keyspace: 1, key: bytes('a'), rangeEnd: bytes('') }, () =>
      seen.push(...read(cursor)),
    );
    store.apply([entry(1, put('a', '1')), entry(2, put('a', '2'))]);
    expect(seen).toEqual(['2: put a=1', '3: put a=2']);
  });

  it('keeps the events of one revision together, whatever the limit', () => {
    const store = newStore();
    applyAll(store, put('a', '0'), put('z', '0'));
    const ops = [op(put('c', '1')), op(put('b', '2')), op(del('a', 'b')), op(put('d', '3'))];
    applyAll(store, txn([], ops), put('e', '4'));
    const { cursor } = watch(store, 'a', '\0', 4);
    const [first, ...others] = cursor.next(1);
    expect(others).toEqual([]);
    expect(first?.events.map(({ kv }) => text(kv.key))).toEqual(['c', 'b', 'a', 'd']);
    expect(first?.events[2]).toMatchObject({ type: 'delete', kv: { modRevision: 4, version: 0 } });
    expect(text(first?.events[2]?.prevKv?.value ?? bytes(''))).toBe('0');
    expect(read(cursor)).toEqual(['5: put e=4']);
  });

  it('on a future revision gets neither events nor progress below it', () => {
    const store = newStore();
    const { cursor, woken } = watch(store, 'a', '', 4);
    expect(cursor.progressRevision).toBeUndefined();
    applyAll(store, put('a', '2'), put('a', '3'));
    expect([woken(), read(cursor), cursor.progressRevision]).toEqual([0, [], undefined]);
    applyAll(store, put('b', '4'));
    expect([woken(), cursor.progressRevision]).toEqual([0, 4]);
    applyAll(store, put('a', '5'));
    expect([woken(), read(cursor), cursor.progressRevision]).toEqual([1, ['5: put a=5'], 5]);
  });

  it('on a future revision costs a write nothing', () => {
    const store = newStore();
    const far = Array.from({ length: 100 }, (_, at) =>
      watch(store, 'a', at % 2 === 0 ? '' : 'c', Number.MAX_SAFE_INTEGER - (at % 3)),
    );
    const now = watch(store, 'a');
    applyAll(store, put('a', '2'), put('b', '3'));
    expect(read(now.cursor)).toEqual(['2: put a=2']);
    // A write looks at those that wait with its range.
    expect(far.map(({ cursor }) => cursor.group.waiting.length)).toEqual(
      far.map((_, at) => (at % 2 === 0 ? 1 : 0)),
    );
    now.cursor.close();
    for (const { cursor } of far) cursor.close();
    expect(store.watcherCount).toBe(0);
  });

  it('on a future revision begins there, whichever it is, and whoever leaves before', () => {
    const store = newStore();
    const starts = [5, 9, 3, 7, 7, 4, 100, 9, 6];
    const watches = starts.map((start) => watch(store, 'a', '', start));
    for (const at of [1, 3, 5]) watches[at]?.cursor.close(); // One of each: all, half, the next.
    for (let revision = 2; revision <= 10; revision += 1) {
      // At 6 and 7 nothing happens to the key; who begins there hears of what follows.
      applyAll(store, put(revision === 6 || revision === 7 ? 'b' : 'a', `${revision}`));
    }
    const firsts = watches.map(({ cursor }) => read(cursor)[0]?.split(':')[0]);
    expect(firsts).toEqual(['5', undefined, '3', undefined, '8', undefined, undefined, '9', '8']);
    for (const { cursor } of watches) cursor.close();
    expect(store.watcherCount).toBe(0);
  });

  it('on the next revision is not mistaken for those that waited for it', () => {
    const store = newStore();
    const [early, other] = [watch(store, 'a', '', 3), watch(store, 'a', '', 3)];
    applyAll(store, put('b', '2'));
    const now = watch(store, 'a', '', 3);
    now.cursor.close();
    early.cursor.close();
    applyAll(store, put('a', '3'));
    expect([now.woken(), early.woken(), read(other.cursor)]).toEqual([0, 0, ['3: put a=3']]);
    other.cursor.close();
    expect(store.watcherCount).toBe(0);
  });

  it('never shows progress ahead of an event that is not given', () => {
    const store = newStore();
    const { cursor } = watch(store, 'a');
    expect(cursor.progressRevision).toBe(1);
    applyAll(store, put('b', '2'));
    expect(cursor.progressRevision).toBe(2);
    applyAll(store, put('a', '3'), put('a', '4'), put('b', '5'));
    expect(cursor.progressRevision).toBe(2);
    cursor.next(1);
    expect(cursor.progressRevision).toBe(3);
    read(cursor);
    expect(cursor.progressRevision).toBe(5);
  });

  it('from the past reads history, over more than one slice', () => {
    const store = newStore();
    for (let n = 0; n < 5000; n += 1)
      applyAll(store, put(n % 1000 === 0 ? 'rare' : 'busy', `${n}`));
    const { cursor } = watch(store, 'rare', 'rarf', 2);
    expect(cursor.next(100).length).toBeGreaterThan(0);
    expect(cursor.behind).toBe(true);
    expect(cursor.progressRevision).toBeLessThan(store.revision);
    const far = watch(store, 'rare', '', 2);
    expect(read(far.cursor).map((line) => line.split(':')[0])).toEqual([
      '2',
      '1002',
      '2002',
      '3002',
      '4002',
    ]);
  });

  it('below the compact revision says from where to go on', () => {
    const store = newStore();
    applyAll(store, put('a', '2'), put('a', '3'), put('a', '4'), compact(3));
    const error = (() => {
      try {
        watch(store, 'a', '', 2);
      } catch (thrown) {
        return thrown as HoldfastError;
      }
      return undefined;
    })();
    expect(error).toBeInstanceOf(HoldfastError);
    expect(error?.code).toBe('compacted');
    expect(error?.details).toEqual({ compactRevision: 3, startRevision: 3 });
    expect(read(watch(store, 'a', '', 3).cursor)).toEqual(['3: put a=3', '4: put a=4']);
  });

  it('sees a deletion at the very compact revision (etcd #18089)', () => {
    const store = newStore({ slabBytes: 256 });
    applyAll(store, put('a', '2'), del('a'), put('b', '4'), put('b', '5'), compact(3));
    while (store.reclaim(10));
    const { cursor } = watch(store, 'a', '', 3);
    expect(cursor.next(10)[0]?.events[0]).toMatchObject({ type: 'delete', prevKv: undefined });
  });

  it.each([
    [
      'a transaction',
      txn([], [op(put('a', '3')), op(del('c')), op(put('b', '3'))]),
      '3: put a=3, delete c=, put b=3',
    ],
    ['the end of a lease', revoke(1n), '3: delete a=, delete b=, delete c='],
  ])('sees all of %s at the very compact revision, as in etcd', async (_, whole, told) => {
    const [store, restored] = [newStoreAtTwo({ slabBytes: 256 }), newStore({ slabBytes: 256 })];
    const leased = ['c', 'b', 'a'].map((key) => op(put(key, '2', { lease: 1n })));
    applyAll(store, grant(1n), txn([], leased), whole);
    for (const key of ['a', 'b', 'c']) applyAll(store, put(key, 'later'), del(key));
    applyAll(store, compact(3));
    while (store.reclaim(10));
    expect(read(watch(store, 'a', 'd', 3).cursor)[0]).toBe(told);
    const image = await collect(store.image().chunks());
    await restored.restore({ index: store.appliedIndex }, chunked(image, 100));
    expect(read(watch(restored, 'a', 'd', 3).cursor)[0]).toBe(told);
  });

  it('that a compaction overtakes fails; one that has read everything does not', () => {
    const store = newStore();
    const slow = watch(store, 'a');
    const quick = watch(store, 'b');
    applyAll(store, put('a', '2'), put('a', '3'), compact(3));
    expect(() => slow.cursor.next(1)).toThrow('compacted');
    expect(read(quick.cursor)).toEqual([]);
    applyAll(store, put('b', '4'));
    expect(read(quick.cursor)).toEqual(['4: put b=4']);
  });

  it('goes on over a restore that is ahead of it', async () => {
    const [ahead, store] = [newStore(), newStore()];
    applyAll(ahead, put('a', '2'), put('a', '3'));
    applyAll(store, put('a', '2'));
    const [a, b, future] = [watch(store, 'a'), watch(store, 'b'), watch(store, 'a', '', 5)];
    applyAll(ahead, put('a', '4'));
    const image = await collect(ahead.image().chunks());
    await store.restore({ index: ahead.appliedIndex }, chunked(image, 100));
    expect([a.woken(), b.woken(), future.woken()]).toEqual([1, 1, 0]);
    expect(read(a.cursor)).toEqual(['3: put a=3', '4: put a=4']);
    expect(read(b.cursor)).toEqual([]);
    applyAll(store, put('a', '5'));
    expect(read(a.cursor)).toEqual(['5: put a=5']);
    expect(read(future.cursor)).toEqual(['5: put a=5']);
  });

  it('over a restore that has compacted what it lacks fails', async () => {
    const [ahead, store] = [newStore(), newStore()];
    const { cursor, woken } = watch(store, 'a');
    applyAll(ahead, put('a', '2'), put('a', '3'), compact(3));
    const image = await collect(ahead.image().chunks());
    await store.restore({ index: ahead.appliedIndex }, chunked(image, 100));
    expect(woken()).toBe(1);
    expect(() => cursor.next(1)).toThrow('compacted');
  });

  it('ends with close, and leaves nothing behind', () => {
    const store = newStore();
    const watches = [watch(store, 'a'), watch(store, 'a'), watch(store, 'a', 'c')];
    applyAll(store, put('a', '1'));
    for (const { cursor } of watches) {
      cursor.close();
      cursor.close();
      expect([cursor.next(1), cursor.behind]).toEqual([[], false]);
    }
    applyAll(store, put('a', '2'));
    expect(watches.map(({ woken }) => woken())).toEqual([1, 1, 1]);
    expect(store.watcherCount).toBe(0);
  });

  it('refuses a range that holds nothing', () => {
    expect(() => watch(newStore(), 'b', 'a')).toThrow('holds no key');
  });
});

describe('a crowd that watches the same', () => {
  const range = { keyspace: 1, key: bytes('a'), rangeEnd: bytes('c') };

  it('reads once what an event has woken all of them for', () => {
    const store = newStore();
    const [one, two, three] = [1, 2, 3].map(() => store.watch(range, () => undefined));
    applyAll(store, put('a', '1'), put('b', '2'));
    const first = one?.next(100);
    expect(two?.next(100)).toBe(first);
    expect(first?.map(({ revision }) => revision)).toEqual([2, 3]);
    applyAll(store, put('a', '3'));
    expect(three?.next(100)).toBe(first);
    expect(three?.behind).toBe(true);
    const second = three?.next(100);
    expect(second?.map(({ revision }) => revision)).toEqual([4]);
    expect(one?.next(100)).toBe(second);
    expect([one, two, three].map((cursor) => cursor?.next(100).length)).toEqual([0, 1, 0]);
  });

  it('leaves nothing behind of what all of it have read', () => {
    const store = newStore();
    const [one, two] = [1, 2].map(() => store.watch(range, () => undefined));
    applyAll(store, put('a', '1'));
    const first = one?.next(100);
    const late = () => store.watch({ ...range, startRevision: 2 }, () => undefined);
    expect(late().next(100)).toBe(first);
    expect(two?.next(100)).toBe(first);
    const read = late().next(100);
    expect([read === first, read[0] === first?.[0], read]).toEqual([false, false, first]);
  });

  it('is not given what is not its own: other limits, other wishes, other beginnings', () => {
    const store = newStore();
    applyAll(store, put('a', '0'));
    const [one, other] = [1, 2].map(() => store.watch(range, () => undefined));
    const past = store.watch({ ...range, startRevision: 2 }, () => undefined);
    const wishing = store.watch({ ...range, prevKv: true }, () => undefined);
    applyAll(store, put('a', '1'), put('a', '2'));
    expect(one?.next(100).length).toBe(2);
    expect(other?.next(1).length).toBe(1);
    expect(past.next(100).length).toBe(3);
    expect(wishing.next(100).map(({ events }) => text(events[0]?.prevKv?.value as never))).toEqual([
      '0',
      '1',
    ]);
  });

  it('does not share what was before a compaction', () => {
    const store = newStore();
    const cursors = [1, 2].map(() => store.watch({ ...range, prevKv: true }, () => undefined));
    applyAll(store, put('a', '1'), put('a', '2'));
    const [one, two] = cursors.map((cursor) => () => cursor.next(1)[0]?.events[0]?.prevKv);
    one?.();
    expect(one?.()?.modRevision).toBe(2);
    two?.();
    applyAll(store, compact(3));
    expect(two?.()).toBeUndefined();
  });

  it('reads on from a state that takes the place of another one', async () => {
    const store = newStore();
    const cursors = [1, 2].map(() => store.watch(range, () => undefined));
    applyAll(store, put('a', '1'));
    cursors[0]?.next(100);
    const ahead = newStore();
    applyAll(ahead, put('a', 'x'), put('a', 'y'));
    const image = await collect(ahead.image().chunks());
    await store.restore({ index: ahead.appliedIndex }, chunked(image, 100));
    expect(cursors.map((cursor) => read(cursor as WatchCursor))).toEqual([
      ['3: put a=y'],
      ['2: put a=x', '3: put a=y'],
    ]);
  });
});
