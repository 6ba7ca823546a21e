// Goal: the tree orders, counts and forgets keys like a sorted list. Method: a long seeded run of
// changes with whole-tree checks, and scans and counts compared with the list.
import { SeededRandom } from '@holdfast/base/seeded-random';
import { describe, expect, it } from 'vitest';
import { KeyIndex } from './key-index.ts';
import { TreeLoader } from './key-tree.ts';

/** Keys that are put in one by one bring their texts along. */
const noTexts = (): string => {
  throw new Error('no text is asked for');
};

function keysOf(index: KeyIndex, lo: string, hi: string | undefined): string[] {
  const keys: string[] = [];
  index.scan(lo, hi, (_, key) => {
    keys.push(key);
    return true;
  });
  return keys;
}

function livingSlots(index: KeyIndex, lo: string, hi: string | undefined): number[] {
  const slots: number[] = [];
  index.scanLiving(lo, hi, (slot) => {
    slots.push(slot);
    return true;
  });
  return slots;
}

describe('the key index', () => {
  it.each([1, 2, 3])('agrees with a sorted list, seed %i', (seed) => {
    const random = new SeededRandom(seed);
    const index = new KeyIndex(noTexts);
    const list = new Map<string, { slot: number; live: boolean }>();
    for (let step = 0; step < 12_000; step += 1) {
      const key = `k${random.integer(0, 3000)}`;
      const known = list.get(key);
      // Grows in the first half, shrinks in the second.
      if (known && !known.live && random.fraction() < (step < 6000 ? 0.2 : 0.9)) {
        index.delete(key);
        list.delete(key);
      } else {
        const live = random.fraction() < (step < 6000 ? 0.8 : 0.1);
        const slot = known?.slot ?? step;
        index.set(key, slot, live);
        list.set(key, { slot, live });
      }
      if (step % 1000 === 0) index.validate();
    }
    index.validate();
    const sorted = [...list.keys()].sort();
    expect(keysOf(index, '', undefined)).toEqual(sorted);
    for (let n = 0; n < 50; n += 1) {
      const [lo, hi] = [`k${random.integer(0, 3000)}`, `k${random.integer(0, 3000)}`];
      const inside = sorted.filter((key) => key >= lo && key < hi);
      expect(keysOf(index, lo, hi)).toEqual(inside);
      const living = inside.map((key) => list.get(key)).filter((found) => found?.live);
      expect(index.countLive(lo, hi)).toBe(living.length);
      expect(livingSlots(index, lo, hi)).toEqual(living.map((found) => found?.slot));
      expect(index.slot(lo)).toBe(list.get(lo)?.slot ?? -1);
    }
  });

  it('passes by whole nodes of deleted keys', () => {
    const size = 100_000;
    const loader = new TreeLoader();
    for (let slot = 0; slot < size; slot += 1) loader.push(slot * 2 + (slot === size / 2 ? 1 : 0));
    let texts = 0;
    const textOf = (slot: number): string => {
      texts += 1;
      return `${slot + size}`;
    };
    const root = loader.finish(textOf);
    if (!root) throw new Error('the keys do not ascend');
    const index = new KeyIndex(textOf, { root, size });
    texts = 0;
    expect(livingSlots(index, '', undefined)).toEqual([size / 2]);
    expect(livingSlots(index, `${size}`, `${size + size / 2}`)).toEqual([]);
    expect(texts).toBeLessThan(100);
  });

  it('fills leaves when keys come in order, and empties to nothing', () => {
    const index = new KeyIndex(noTexts);
    const keys = Array.from({ length: 5000 }, (_, n) => `${n + 10_000}`);
    for (const [slot, key] of keys.entries()) index.set(key, slot, false);
    index.validate();
    for (const key of keys) index.delete(key);
    index.validate();
    expect([index.size, index.live]).toEqual([0, 0]);
    index.set('again', 1, true);
    expect(keysOf(index, '', undefined)).toEqual(['again']);
  });
});
