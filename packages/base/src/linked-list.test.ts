// Goal: the list has what was added and not removed, in the order of adding. Method: a Set beside
// it, which has the same order, over random steps.
import { describe, expect, it } from 'vitest';
import { LinkedList, ListLink } from './linked-list.ts';
import { pick } from './random.ts';
import { SeededRandom } from './seeded-random.ts';

function itemsOf<T>(list: LinkedList<T>): readonly T[] {
  const items: T[] = [];
  list.each((item) => items.push(item));
  return items;
}

describe('a linked list', () => {
  it('has what a set has, in its order', () => {
    const random = new SeededRandom(11);
    const list = new LinkedList<number>();
    const set = new Set<number>();
    const links = Array.from({ length: 20 }, (_, at) => new ListLink(at));
    for (let step = 0; step < 5000; step += 1) {
      const link = pick(random, links);
      const act = random.fraction();
      if (act < 0.1) {
        const [first] = set;
        expect(list.shift()).toBe(first);
        if (first !== undefined) set.delete(first);
      } else if (act < 0.55) {
        list.add(link);
        set.add(link.item);
      } else {
        list.remove(link);
        set.delete(link.item);
      }
      expect(itemsOf(list)).toEqual([...set]);
      expect([list.length, link.isListed]).toEqual([set.size, set.has(link.item)]);
    }
  });

  it('leaves nothing with what was removed', () => {
    const list = new LinkedList<string>();
    const links = ['a', 'b', 'c'].map((item) => new ListLink(item));
    for (const link of links) list.add(link);
    const [, middle] = links as [ListLink<string>, ListLink<string>];
    list.remove(middle);
    expect([middle.next, middle.previous, itemsOf(list)]).toEqual([
      undefined,
      undefined,
      ['a', 'c'],
    ]);
  });
});
