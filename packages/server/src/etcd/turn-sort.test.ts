// Goal: the sort of pieces gives what Array.sort gives, and lets others run between them. Method:
// items of every length around the pieces', with ties, from a seeded random.
import { SeededRandom } from '@holdfast/base/seeded-random';
import { describe, expect, it } from 'vitest';

import { sortInTurns } from './turn-sort.ts';

describe('a sort in turns', () => {
  it.each([0, 1, 2, 2047, 2048, 2049, 4096, 6000, 6145, 20_000])('of %i items', async (count) => {
    const random = new SeededRandom(count + 1);
    const items = Array.from({ length: count }, (_, at) => ({
      rank: random.integer(0, Math.ceil(count / 3)),
      at,
    }));
    const sorted = [...items].sort((a, b) => a.rank - b.rank);
    let turns = 0;
    await sortInTurns(items, {
      compare: (a, b) => a.rank - b.rank,
      turn: async () => void turns++,
    });
    expect(items).toEqual(sorted);
    expect(turns).toBeGreaterThanOrEqual(Math.ceil(count / 2048) - 1);
  });
});
