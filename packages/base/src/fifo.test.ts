// Goal: first in, first out, however long it was and in whatever order it is filled and emptied,
// also in the midst of being drained.
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
      expect([fifo.length, fifo.first]).toEqual([array.length, array[0]]);
    }
    while (array.length > 0) expect(fifo.shift()).toBe(array.shift());
    expect([fifo.shift(), fifo.length]).toEqual([undefined, 0]);
  });

  it('gives all that is left at once', () => {
    const fifo = new Fifo<number>();
    for (let at = 0; at < 2000; at += 1) fifo.push(at);
    for (let at = 0; at < 1998; at += 1) fifo.shift();
    expect([fifo.takeAll(), fifo.length, fifo.first]).toEqual([[1998, 1999], 0, undefined]);
    expect(fifo.takeAll()).toEqual([]);
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

  it('hands over what there is, in its order and once', () => {
    const fifo = new Fifo<number>();
    for (const count of [3, 1, 0, 5, 3000, 2]) {
      const items = Array.from({ length: count }, (_, at) => at);
      for (const item of items) fifo.push(item);
      expect(fifo.length).toBe(count);
      expect(fifo.takeAll()).toEqual(items);
      expect(fifo.length).toBe(0);
    }
    expect(fifo.takeAll()).toEqual([]);
  });

  it('keeps what is added while it is drained for the next time', () => {
    const fifo = new Fifo<number>();
    for (const item of [1, 2]) fifo.push(item);
    const taken: number[] = [];
    fifo.drain((item) => {
      taken.push(item);
      fifo.push(item + 10);
      fifo.push(item + 20);
    });
    expect(taken).toEqual([1, 2]);
    expect(fifo.takeAll()).toEqual([11, 21, 12, 22]);
    expect(fifo.takeAll()).toEqual([]);
  });

  it('hands each over once where it is drained while it is drained', () => {
    const fifo = new Fifo<number>();
    for (const item of [1, 2, 3]) fifo.push(item);
    const taken: number[] = [];
    fifo.drain((item) => {
      taken.push(item);
      if (item !== 1) return;
      fifo.push(4);
      taken.push(...fifo.takeAll());
      fifo.push(5);
      expect(fifo.length).toBe(1);
    });
    expect(taken).toEqual([1, 2, 3, 4]);
    expect(fifo.takeAll()).toEqual([5]);
  });

  it('drops those behind one that could not be taken, and nothing that came after', () => {
    const fifo = new Fifo<number>();
    for (const item of [1, 2, 3]) fifo.push(item);
    const take = (item: number): void => {
      if (item === 1) fifo.push(4);
      if (item === 2) throw new Error('two');
    };
    expect(() => fifo.drain(take)).toThrow('two');
    expect(fifo.takeAll()).toEqual([4]);
  });
});
