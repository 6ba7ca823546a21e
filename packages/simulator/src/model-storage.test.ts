// Goal: what a member of the model finds after a crash is what a real log would hold: it calls
// nothing committed that the entries which reached the disk do not bear out. Method: a crash in the
// sync that replaces entries, with all luck.
import { index, term } from '@holdfast/base/ids';
import { SeededRandom } from '@holdfast/base/seeded-random';
import { newConfiguration } from '@holdfast/raft/configuration';
import type { Entry } from '@holdfast/raft/entry';
import { describe, expect, it } from 'vitest';
import { ModelStorage } from './model-storage.ts';

const entries = (lo: number, hi: number, inTerm: number): Entry[] =>
  Array.from({ length: hi - lo + 1 }, (_, n) => ({
    index: index(lo + n),
    term: term(inTerm),
    kind: 'command',
    payload: new Uint8Array(),
  }));

/** Holds 1 to 9 of term 1, committed to 4, and hands over 5 to 12 of term 2, committed to 12. */
function inTheSync(): ModelStorage {
  const storage = new ModelStorage(newConfiguration({}));
  storage.accept(entries(1, 9, 1));
  storage.synced(storage.submit(index(4)).count);
  storage.accept(entries(5, 12, 2));
  storage.submit(index(12));
  return storage;
}

describe('what a crash leaves of a log and of its commit index', () => {
  it('calls no entry committed that was replaced by the sync which was lost', () => {
    // Seed 1796292747 of cores: a member claimed its old entries up to the new commit index.
    const left = new Set<number>();
    for (let seed = 1; seed <= 50; seed += 1) {
      const storage = inTheSync();
      storage.crash('power', new SeededRandom(seed));
      const { commit } = storage.recover();
      for (let at = 5; at <= commit; at += 1) expect(storage.termAt(index(at))).toBe(2);
      expect(commit).toBeGreaterThanOrEqual(4);
      left.add(commit);
    }
    expect(left).toEqual(new Set([4, 12]));
  });

  it('keeps what was handed over when the process alone dies', () => {
    const storage = inTheSync();
    storage.crash('process', new SeededRandom(1));
    expect([storage.recover().commit, storage.termAt(index(12))]).toEqual([12, 2]);
  });
});
