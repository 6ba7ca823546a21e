// Goal: the memory twin keeps the Engine contract that doors and services rely on.
import { toText, utf8 } from '@holdfast/base/bytes';
import { HoldfastError } from '@holdfast/base/errors';
import { revision } from '@holdfast/base/ids';
import { ManualClock } from '@holdfast/base/manual-clock';
import {
  compareAbsent,
  deleteOperation,
  deleteRangeRequest,
  putOperation,
  putRequest,
  rangeRequest,
  txnOperation,
  txnRequest,
} from '@holdfast/domain/requests';
import { describe, expect, it } from 'vitest';
import type { WatchItem } from './engine.ts';
import { MemoryEngine } from './memory-engine.ts';

const options = { actor: 'test' };
const key = utf8;

const rangeKeys = (name: string, rangeEnd = '') => ({
  keyspace: 1,
  key: key(name),
  rangeEnd: key(rangeEnd),
});
const putOf = (name: string, value: string) => putRequest(rangeKeys(name), utf8(value));
const rangeOf = (name: string, rangeEnd = '', at = 0) =>
  rangeRequest(rangeKeys(name, rangeEnd), { revision: at });
const put = (name: string, value: string) => putOperation(rangeKeys(name), utf8(value));

async function textAt(engine: MemoryEngine, name: string, at = 0): Promise<string | undefined> {
  const { body } = await engine.range(rangeOf(name, '', at), options);
  return body.kvs[0] && toText(body.kvs[0].value);
}

describe('MemoryEngine', () => {
  it('counts revisions, versions and creations as etcd does', async () => {
    const engine = new MemoryEngine();
    await engine.put(putOf('a', '1'), options);
    const second = await engine.put(putOf('a', '2'), options);
    expect(second.header.revision).toBe(3);
    const { body } = await engine.range(rangeOf('a'), options);
    expect(body.kvs[0]).toMatchObject({ createRevision: 2, modRevision: 3, version: 2 });
    const absent = await engine.deleteRange(deleteRangeRequest(rangeKeys('b')), options);
    expect(absent.header.revision).toBe(3);
  });

  it('reads old revisions until they are compacted', async () => {
    const engine = new MemoryEngine();
    await engine.put(putOf('a', '1'), options);
    await engine.put(putOf('a', '2'), options);
    expect(await textAt(engine, 'a', 2)).toBe('1');
    await engine.compact({ revision: 3 }, options);
    await expect(textAt(engine, 'a', 2)).rejects.toMatchObject({
      code: 'compacted',
      details: { compactRevision: 3 },
    });
    await expect(textAt(engine, 'a', 9)).rejects.toMatchObject({ code: 'future-revision' });
  });

  it('judges nested compares by the state before, and an empty range as absent', async () => {
    const engine = new MemoryEngine();
    await engine.put(putOf('r/1', ''), options);
    const nested = txnRequest({
      compare: [compareAbsent(rangeKeys('r/', 'r0'))],
      success: [put('none', 'x')],
      failure: [put('some', 'x')],
    });
    const outer = txnRequest({
      success: [deleteOperation(rangeKeys('r/1')), txnOperation(nested)],
    });
    await engine.txn(outer, options);
    expect(await textAt(engine, 'some')).toBe('x');
    await engine.txn(nested, options);
    expect(await textAt(engine, 'none')).toBe('x');
  });

  it('refuses a transaction as a whole', async () => {
    const engine = new MemoryEngine();
    const twice = txnRequest({ success: [put('a', '1'), put('a', '2')] });
    await expect(engine.txn(twice, options)).rejects.toMatchObject({ code: 'invalid-argument' });
    expect(await textAt(engine, 'a')).toBeUndefined();
  });

  it('watches from the past on, keeps transactions together, and ends when closed', async () => {
    const engine = new MemoryEngine();
    const both = txnRequest({ success: [put('a', '1'), put('b', '1')] });
    await engine.txn(both, options);
    const stream = await engine.watch(
      { keyspace: 1, key: key('a'), rangeEnd: key('z'), startRevision: revision(2) },
      options,
    );
    const items: WatchItem[] = [];
    const reader = (async () => {
      for await (const item of stream) {
        items.push(item);
        if (items.length === 2) stream.close();
      }
    })();
    await engine.put(putOf('c', '1'), options);
    await reader;
    expect(items.map((item) => (item.type === 'events' ? item.events.length : 0))).toEqual([2, 1]);
  });

  it('tells progress only when nothing is owed', async () => {
    const clock = new ManualClock();
    const engine = new MemoryEngine({ clock });
    const stream = await engine.watch(
      { keyspace: 1, key: key('a'), rangeEnd: key('z'), progressMs: 1000 },
      options,
    );
    const iterator = stream[Symbol.asyncIterator]();
    const first = iterator.next();
    await clock.advanceAsync(1000);
    expect((await first).value).toEqual({ type: 'progress', revision: 1 });
    const second = iterator.next();
    await Promise.resolve();
    clock.advance(1000);
    await engine.put(putOf('a', '1'), options);
    expect((await second).value).not.toEqual({ type: 'progress', revision: 2 });
    stream.close();
    expect(clock.pendingCount).toBe(0);
  });

  it('rejects a watch below the compact revision, also in the middle of a stream', async () => {
    const engine = new MemoryEngine();
    const stream = await engine.watch({ keyspace: 1, key: key('a'), rangeEnd: key('z') }, options);
    for (const value of ['1', '2', '3']) await engine.put(putOf('a', value), options);
    await engine.compact({ revision: 4 }, options);
    await expect(stream[Symbol.asyncIterator]().next()).rejects.toMatchObject({
      code: 'compacted',
    });
    const late = { keyspace: 1, key: key('a'), rangeEnd: key('z'), startRevision: revision(2) };
    await expect(engine.watch(late, options)).rejects.toMatchObject({ code: 'compacted' });
  });

  it('waits for a minimum revision, and refuses what it is told to refuse', async () => {
    const engine = new MemoryEngine();
    const read = engine.range(rangeOf('a'), { ...options, minRevision: revision(2) });
    await engine.put(putOf('a', '1'), options);
    expect((await read).body.kvs).toHaveLength(1);
    engine.refusal = new HoldfastError('no-quorum', 'two voters are missing');
    await expect(engine.put(putOf('a', '2'), options)).rejects.toMatchObject({ code: 'no-quorum' });
    const stale = { ...options, consistency: { level: 'stale' } as const };
    expect((await engine.range(rangeOf('a'), stale)).body.kvs).toHaveLength(1);
  });
});
