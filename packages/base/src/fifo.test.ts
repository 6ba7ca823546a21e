// Goal: first in, first out, however long it was and in whatever order it is filled and emptied.
// Method: an array beside it.
import { describe, expect, it } from 'vitest';
import { Fifo } from './fifo.ts';
import { SeededRandom } from './seeded-random.ts';

describe('a queue', () => {
  it('gives back what it was given, in that order', () => {
    const random = new SeededRandom(7);
    const fifo = new Fifo<number>();
    const array: number[] = [];
    for (let step = 0; step < 20_000; step += 1) {
      const isFilling = random.fraction() < (step % 8000 < 4000 ? 0.8 : 0.3);
      if (isFilling) {
        fifo.push(step);
        array.push(step);
      } else {
        expect(fifo.shift()).toBe(array.shift());
      }
      expect(fifo.length).toBe(array.length);
    }
    while (array.length > 0) expect(fifo.shift()).toBe(array.shift());
    expect([fifo.shift(), fifo.length]).toEqual([undefined, 0]);
  });

  it('holds nothing once it was cleared', () => {
    const fifo = new Fifo<number>();
    for (let at = 0; at < 3000; at += 1) fifo.push(at);
    for (let at = 0; at < 1500; at += 1) fifo.shift();
    fifo.clear();
    expect([fifo.length, fifo.shift()]).toEqual([0, undefined]);
    fifo.push(1);
    expect(fifo.shift()).toBe(1);
  });
});
