// Goal: a steady map holds what a Map does. Method: the same random changes of both, among few keys
// that collide and many that come and go in a row.
import { describe, expect, it } from 'vitest';

import { SeededRandom } from './seeded-random.ts';
import { SteadyMap } from './steady-map.ts';

const sorted = (entries: Iterable<readonly [number | bigint, number]>) =>
  [...entries].sort(([a], [b]) => (a < b ? -1 : 1));

function play<K extends number | bigint>(random: SeededRandom, keyOf: (at: number) => K): void {
  const [steady, map] = [new SteadyMap<K, number>(), new Map<K, number>()];
  for (let at = 0; at < 20_000; at += 1) {
    const key = keyOf(at);
    if (random.integer(0, 2) === 0) expect(steady.delete(key)).toBe(map.delete(key));
    else {
      steady.set(key, at);
      map.set(key, at);
    }
    expect([steady.size, steady.get(key), steady.has(key)]).toEqual([
      ...[map.size, map.get(key), map.has(key)],
    ]);
    if (at % 500 === 0) expect(sorted(steady.entries())).toEqual(sorted(map));
    if (at % 7001 === 7000) for (const one of [steady, map]) one.clear();
  }
  expect(sorted(steady.entries())).toEqual(sorted(map));
}

describe('SteadyMap', () => {
  it('holds what a Map holds, of numbers', () => {
    const random = new SeededRandom(1);
    play(random, () => random.integer(0, 40));
    play(random, () => random.integer(0, 3000));
    play(random, () => random.integer(0, 20) * 65_536); // Of the same low bits.
  });

  it('holds what a Map holds, of numbers in 64 bits', () => {
    const random = new SeededRandom(2);
    play(random, () => BigInt(random.integer(0, 100)) << 40n); // Of the same low word.
    play(random, () => (7n << 60n) + BigInt(random.integer(0, 500)));
  });

  it('holds what a Map holds, where each key comes and goes in its turn', () => {
    for (const width of [1, 3, 64, 500]) {
      const steady = new SteadyMap<number, string>();
      for (let at = 1; at < 20_000; at += 2) {
        steady.set(at, String(at));
        expect(steady.delete(at - 2 * width)).toBe(at > 2 * width);
        expect(steady.get(at)).toBe(String(at));
        expect(steady.size).toBe(Math.min(width, (at + 1) / 2));
      }
    }
  });
});
