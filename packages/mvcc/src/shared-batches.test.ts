// Goal: watchers of one range are given the same objects, and only as much is remembered as the
// bound says. Method: batches by hand, and cursors of a store.
import type { Revision } from '@holdfast/base/ids';
import { describe, expect, it } from 'vitest';
import { applyAll, bytes, compact, newStore, put } from './command.fixture.ts';
import { SharedBatches } from './shared-batches.ts';
import type { WatchBatch } from './watch-history.ts';

function batch(revision: number, valueBytes = 1): WatchBatch {
  const kv = {
    key: bytes('a'),
    value: new Uint8Array(valueBytes),
    createRevision: 1,
    modRevision: revision,
    version: 1,
    lease: 0n,
  };
  return { revision: revision as Revision, events: [{ type: 'put', kv, prevKv: undefined }] };
}

describe('shared batches', () => {
  it('are one for each kind of reader and revision', () => {
    const shared = new SharedBatches();
    const first = batch(7);
    expect(shared.share('1', first)).toBe(first);
    expect(shared.share('1', batch(7))).toBe(first);
    expect(shared.share('1+', batch(7))).not.toBe(first);
    expect(shared.share('1', batch(8))).not.toBe(first);
  });

  it('are forgotten oldest first, by count and by bytes', () => {
    const many = new SharedBatches();
    const oldest = many.share('1', batch(1));
    for (let revision = 2; revision <= 256; revision += 1) many.share('1', batch(revision));
    expect(many.share('1', batch(1))).toBe(oldest);
    many.share('1', batch(257));
    expect(many.share('1', batch(1))).not.toBe(oldest);
    const large = new SharedBatches();
    const second = [1, 2, 3].map((revision) => large.share('1', batch(revision, 3_000_000)))[1];
    expect(large.share('1', batch(2))).toBe(second);
    expect(large.share('1', batch(1))).not.toBe(oldest);
  });

  it('are forgotten where nobody asks for them any more', () => {
    const shared = new SharedBatches();
    const [first, second] = [7, 8].map((revision) => shared.share('1', batch(revision, 5_000_000)));
    shared.forget('1', [batch(7), batch(9)]);
    expect(shared.share('1', batch(8))).toBe(second);
    // Their bytes are no more counted: there is room for as many again.
    expect(shared.share('1', batch(7, 3_000_000))).not.toBe(first);
    expect(shared.share('1', batch(8))).toBe(second);
  });

  it('are forgotten when it is cleared', () => {
    const shared = new SharedBatches();
    const first = shared.share('1', batch(7));
    shared.clear();
    expect(shared.share('1', batch(7))).not.toBe(first);
  });
});

describe('watchers of one range', () => {
  it('get the same objects, and others than those who want what was before', () => {
    const store = newStore();
    const range = { keyspace: 1, key: bytes('a'), rangeEnd: bytes('c') };
    const [one, two] = [store.watch(range, () => {}), store.watch(range, () => {})];
    const other = store.watch({ ...range, prevKv: true }, () => {});
    applyAll(store, put('a', '1'), put('b', '2'));
    const [mine, yours, theirs] = [one.next(100), two.next(1), other.next(100)];
    expect(yours[0]).toBe(mine[0]);
    expect(two.next(1)[0]).toBe(mine[1]);
    expect(theirs[0]).not.toBe(mine[0]);
    applyAll(store, put('a', '3'), compact(3));
    expect(one.next(100).length).toBe(1);
  });

  it('are given about 64 KiB at a time', () => {
    const store = newStore();
    const watcher = { keyspace: 1, key: bytes('a'), rangeEnd: bytes('c'), startRevision: 1 };
    const cursor = store.watch(watcher, () => {});
    for (let at = 0; at < 10; at += 1) applyAll(store, put('a', 'x'.repeat(30_000)));
    expect(cursor.next(100).length).toBe(3);
    expect(cursor.behind).toBe(true);
  });
});
