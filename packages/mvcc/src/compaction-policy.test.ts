// Goal: history is kept by age, count and bytes, and never grows without end. Method: a store whose
// revisions are a second apart.
import { describe, expect, it } from 'vitest';
import { applyAll, compact, entry, newStore, put } from './command.fixture.ts';
import {
  type CompactionSettings,
  defaultCompactionSettings,
  proposeCompaction,
} from './compaction-policy.ts';
import type { KvStore } from './kv-store.ts';
import { TimeIndex } from './time-index.ts';

const settings = (more: Partial<CompactionSettings>): CompactionSettings => ({
  ...defaultCompactionSettings,
  historyRevisionsMin: 0,
  stepRevisionsMin: 1,
  ...more,
});

/** Revision n + 2 is made at second n. */
function storeOf(count: number): KvStore {
  const store = newStore();
  for (let n = 0; n < count; n += 1) store.apply([entry(n + 1, put('a', 'x'.repeat(8)), n * 1000)]);
  return store;
}

describe('the proposal of a compaction', () => {
  it('takes what is older than the age, but leaves the newest revisions of a quiet store', () => {
    const store = storeOf(100);
    const age = settings({ historyAgeMs: 30_000 });
    expect(proposeCompaction(store, age, 99_000)).toBe(71);
    expect(proposeCompaction(store, age, 10_000_000)).toBe(101);
    expect(proposeCompaction(store, { ...age, historyRevisionsMin: 50 }, 10_000_000)).toBe(51);
    expect(proposeCompaction(store, age, 20_000)).toBeUndefined();
  });

  it('takes what is more than the count', () => {
    const count = settings({ historyRevisionsMax: 10 });
    expect(proposeCompaction(storeOf(100), count, 0)).toBe(91);
    expect(proposeCompaction(storeOf(5), count, 0)).toBeUndefined();
  });

  it('takes as much as brings the bytes down', () => {
    const store = storeOf(100);
    expect(store.garbageBytes).toBe(99 * 88);
    const target = proposeCompaction(store, settings({ historyBytesMax: 20 * 88 }), 0) as number;
    applyAll(store, compact(target));
    expect(store.garbageBytes).toBe(20 * 88);
    expect(store.bytes).toBe(21 * 88);
  });

  it('waits until a step is worth it', () => {
    const count = settings({ historyRevisionsMax: 10, stepRevisionsMin: 100 });
    expect(proposeCompaction(storeOf(100), count, 0)).toBeUndefined();
    expect(proposeCompaction(storeOf(110), count, 0)).toBe(101);
  });
});

describe('the times of revisions', () => {
  it('thin out instead of growing without end', () => {
    const times = new TimeIndex();
    for (let n = 0; n < 100_000; n += 1) times.note(n + 2, n * 1000);
    expect(times.entries.length).toBeLessThanOrEqual(8192);
    const at = times.revisionAt(50_000_000);
    expect(at).toBeLessThanOrEqual(50_002);
    expect(at).toBeGreaterThan(50_002 - 2 * (times.intervalMs / 1000));
  });
});
