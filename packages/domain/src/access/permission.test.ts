// Goal: what many permissions cover together is the union of what each covers, and etcd's ways to
// name a range are understood. Method: against a reference that cuts the line of keys at every end
// and asks for each piece alone.
import { compareBytes, utf8 } from '@holdfast/base/bytes';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Coverage, isPermissionRange, type Span, spanOf } from './permission.ts';

const zero = new Uint8Array([0]);
const none = new Uint8Array(0);
const keys = fc.uint8Array({ min: 0, max: 3, minLength: 1, maxLength: 2 });
const ends = fc.oneof(keys, fc.constant(zero), fc.constant(none));
const ranges = fc.tuple(keys, ends).map(([key, end]) => spanOf(key, end));

const isBelow = (a: Span['hi'], b: Span['hi']): boolean =>
  a !== undefined && (b === undefined || compareBytes(a, b) < 0);

/** Cut at every end, each piece of the asked span lies within one of the others as a whole. */
function isCovered(spans: readonly Span[], asked: Span): boolean {
  const cuts = [...spans.flatMap(({ lo, hi }) => (hi ? [lo, hi] : [lo])), asked.lo]
    .filter((cut) => compareBytes(cut, asked.lo) >= 0 && isBelow(cut, asked.hi))
    .sort(compareBytes);
  return cuts.every((lo, at) => {
    const hi = cuts[at + 1] ?? asked.hi;
    return spans.some((one) => compareBytes(one.lo, lo) <= 0 && !isBelow(one.hi, hi));
  });
}

describe('what permissions cover', () => {
  it('is their union', () => {
    fc.assert(
      fc.property(fc.array(ranges, { maxLength: 6 }), ranges, (spans, asked) => {
        expect(new Coverage(spans).covers(asked)).toBe(isCovered(spans, asked));
      }),
      { numRuns: 3000 },
    );
  });

  it('knows single keys, ranges, and ranges without an end', () => {
    const coverage = new Coverage([
      spanOf(utf8('a'), none),
      spanOf(utf8('k1'), utf8('k3')),
      spanOf(utf8('k3'), utf8('k5')),
      spanOf(utf8('x'), zero),
    ]);
    const asks: readonly [string, Uint8Array, boolean][] = [
      ['a', none, true],
      ['a', utf8('b'), false],
      ['ab', none, false],
      ['k2', utf8('k4'), true],
      ['k4', utf8('k6'), false],
      ['k0', none, false],
      ['y', zero, true],
      ['w', zero, false],
      ['x', utf8('zz'), true],
    ];
    for (const [key, end, isAllowed] of asks) {
      expect([key, coverage.covers(spanOf(utf8(key), end))]).toEqual([key, isAllowed]);
    }
  });

  it('takes a range of all keys for one, from whatever it begins', () => {
    const all = new Coverage([spanOf(zero, zero)]);
    expect(all.covers(spanOf(none, zero))).toBe(true);
    expect(new Coverage([spanOf(utf8('a'), zero)]).covers(spanOf(none, zero))).toBe(false);
  });

  it('takes a range that ends before it begins for the key that it names', () => {
    const coverage = new Coverage([spanOf(utf8('b'), none)]);
    expect(coverage.covers(spanOf(utf8('b'), utf8('a')))).toBe(true);
    expect(coverage.covers(spanOf(utf8('c'), utf8('a')))).toBe(false);
  });
});

describe('the range of a permission', () => {
  it.each([
    ['', 'a', false],
    ['a', '', true],
    ['a', 'b', true],
    ['b', 'b', false],
    ['b', 'a', false],
    ['b', '\0', true],
  ])('%j to %j: %s', (key, end, isOne) => {
    expect(isPermissionRange(utf8(key), utf8(end))).toBe(isOne);
  });
});
