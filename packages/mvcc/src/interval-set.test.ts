// Goal: the set finds exactly the ranges that hold a key. Method: random additions, removals and
// questions against a list.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { IntervalSet } from './interval-set.ts';
import { type KeyRange, rangeHas } from './key-range.ts';

const key = fc.string({ maxLength: 2, unit: fc.constantFrom('a', 'b', 'c', 'd') });
const range = fc
  .tuple(key, fc.option(key, { nil: undefined }))
  .map(([lo, hi]): KeyRange => ({ lo, hi, single: false }));

describe('a set of intervals', () => {
  it('answers as a list would', () => {
    const step = fc.tuple(
      fc.nat(3).map((n) => n > 0),
      range,
    );
    fc.assert(
      fc.property(
        fc.array(step, { minLength: 200, maxLength: 500 }),
        fc.array(key),
        (steps, questions) => {
          const set = new IntervalSet<string>();
          const list = new Map<string, KeyRange>();
          for (const [adding, one] of steps) {
            const name = JSON.stringify(one);
            if (adding && !list.has(name)) {
              set.add(one, name);
              list.set(name, one);
            } else if (!adding) {
              set.delete(one);
              list.delete(name);
            }
          }
          expect(set.size).toBe(list.size);
          for (const asked of questions) {
            const found: string[] = [];
            set.visit(asked, (name) => found.push(name));
            const wanted = [...list]
              .filter(([, one]) => rangeHas(one, asked))
              .map(([name]) => name);
            expect(found.sort()).toEqual(wanted.sort());
          }
        },
      ),
      { numRuns: 40 },
    );
  });
});
