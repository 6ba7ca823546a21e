// Goal: the judge refuses what no register can explain, and nothing else. Method: hand-made
// histories, and random ones, once from a real register and once judged against brute force.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Register, RegisterAction, RegisterOperation, RegisterResult } from '../history.ts';
import { explainRegister, judgeLinearizability } from './linearizability.ts';
import { stepRegister } from './register-model.ts';
import { Violation } from './violation.ts';

const saw = (before: Register): RegisterResult => ({ type: 'observed', before });
const done: RegisterResult = { type: 'done' };
const get: RegisterAction = { type: 'get' };
const put = (value: string): RegisterAction => ({ type: 'put', value });
const remove: RegisterAction = { type: 'delete' };
const swap = (expected: Register, value: string): RegisterAction => ({
  type: 'compare-and-set',
  expected,
  value,
});

let client = 0;
function operation(
  action: RegisterAction,
  [calledAt, returnedAt]: readonly [number, number],
  result: RegisterResult | undefined,
): RegisterOperation {
  client += 1;
  return { client, key: 'k', action, calledAt, returnedAt, result };
}

describe('explainRegister', () => {
  it('accepts a read that overlaps a write, with the old and with the new value', () => {
    for (const value of [undefined, 'a']) {
      const history = [operation(put('a'), [1, 4], done), operation(get, [2, 3], saw(value))];
      expect(explainRegister(history)).toBeUndefined();
    }
  });

  it('refuses a stale read', () => {
    const history = [
      operation(put('a'), [1, 2], done),
      operation(put('b'), [3, 4], done),
      operation(get, [5, 6], saw('a')),
    ];
    expect(explainRegister(history)).toMatch(/saw a/);
  });

  it('refuses a read that goes back in time inside a write that is still open', () => {
    const history = [
      operation(put('a'), [1, 9], done),
      operation(get, [2, 3], saw('a')),
      operation(get, [4, 5], saw(undefined)),
    ];
    expect(explainRegister(history)).toBeDefined();
  });

  it('refuses a lost update by two swaps from one value', () => {
    const history = [
      operation(put('a'), [1, 2], done),
      operation(swap('a', 'b'), [3, 6], saw('a')),
      operation(swap('a', 'c'), [4, 5], saw('a')),
    ];
    expect(explainRegister(history)).toBeDefined();
  });

  it('lets an unknown write take effect late, or never', () => {
    const unknown = operation(put('u'), [1, Infinity], undefined);
    const before = operation(get, [2, 3], saw(undefined));
    const late = operation(get, [4, 5], saw('u'));
    expect(explainRegister([unknown, before])).toBeUndefined();
    expect(explainRegister([unknown, before, late])).toBeUndefined();
    const gone = operation(get, [6, 7], saw(undefined));
    expect(explainRegister([unknown, before, late, gone])).toBeDefined();
  });

  it('lets an unknown delete explain an absence once', () => {
    const history = [
      operation(put('a'), [1, 2], done),
      operation(remove, [3, Infinity], undefined),
      operation(get, [4, 5], saw(undefined)),
      operation(put('b'), [6, 7], saw(undefined)),
    ];
    expect(explainRegister(history)).toBeUndefined();
    const again = operation(get, [8, 9], saw(undefined));
    expect(explainRegister([...history, again])).toBeDefined();
  });

  it('lets an unknown delete make room for an unknown swap whose value was seen', () => {
    const history = [
      operation(put('a'), [1, 2], done),
      operation(remove, [3, Infinity], undefined),
      operation(swap(undefined, 'b'), [4, Infinity], undefined),
      operation(get, [5, 6], saw('b')),
    ];
    expect(explainRegister(history)).toBeUndefined();
    expect(explainRegister(history.filter(({ action }) => action !== remove))).toBeDefined();
  });

  it('refuses a value that was refused to its writer', () => {
    expect(explainRegister([operation(get, [1, 2], saw('never written'))])).toBeDefined();
  });

  it('keeps keys apart, and names the key', () => {
    const good = operation(put('a'), [1, 2], done);
    const bad = { ...operation(get, [3, 4], saw('a')), key: 'other' };
    expect(() => judgeLinearizability([good])).not.toThrow();
    expect(() => judgeLinearizability([good, bad])).toThrow(Violation);
  });

  it('agrees with brute force on small histories', () => {
    fc.assert(
      fc.property(smallHistory, (history) => {
        expect(explainRegister(history) === undefined).toBe(bruteForce(history));
      }),
      { numRuns: 2000 },
    );
  });

  it('is fast on a long history with many unknown outcomes', () => {
    const history = longHistory(4000);
    expect(explainRegister(history)).toBeUndefined();
  });
});

/**
 * Up to six operations with random intervals and random answers; unknown where `known` is false.
 */
const smallHistory = fc
  .array(
    fc.record({
      kind: fc.constantFrom('get', 'put', 'delete', 'swap'),
      calledAt: fc.integer({ min: 0, max: 8 }),
      lasts: fc.integer({ min: 1, max: 6 }),
      known: fc.boolean(),
      silent: fc.boolean(),
      seen: fc.integer({ min: -1, max: 5 }),
      expected: fc.integer({ min: -1, max: 5 }),
    }),
    { maxLength: 6 },
  )
  .map((rows) =>
    rows.map((row, at) => {
      const value = (n: number): Register => (n < 0 || n >= rows.length ? undefined : `v${n}`);
      const action =
        row.kind === 'get'
          ? get
          : row.kind === 'put'
            ? put(`v${at}`)
            : row.kind === 'delete'
              ? remove
              : swap(value(row.expected), `v${at}`);
      const silent = row.silent && action.type === 'put';
      const result = silent ? done : saw(value(row.seen));
      const calledAt = row.calledAt * 10 + at;
      const returnedAt = calledAt + row.lasts * 10 + 5;
      return row.known
        ? operation(action, [calledAt, returnedAt], result)
        : operation(action, [calledAt, Infinity], undefined);
    }),
  );

/** Tries every order of every choice of unknown operations. */
function bruteForce(history: readonly RegisterOperation[]): boolean {
  const search = (left: readonly RegisterOperation[], state: Register): boolean => {
    if (left.every(({ result }) => result === undefined)) return true;
    return left.some((one) => {
      if (left.some((other) => other !== one && other.returnedAt < one.calledAt)) return false;
      const after = stepRegister(state, one);
      if (after === 'refuted') return false;
      return search(
        left.filter((other) => other !== one),
        after.state,
      );
    });
  };
  return search(history, undefined);
}

/** One register under four overlapping clients; every tenth outcome is unknown. */
function longHistory(count: number): RegisterOperation[] {
  let state: Register;
  return Array.from({ length: count }, (_, at) => {
    const action = at % 3 === 0 ? put(`v${at}`) : at % 7 === 0 ? remove : get;
    const before = state;
    if (action.type === 'put') state = action.value;
    if (action.type === 'delete') state = undefined;
    const calledAt = at * 10 - 25;
    return at % 10 === 9
      ? operation(action, [calledAt, Infinity], undefined)
      : operation(action, [calledAt, at * 10 + 5], saw(before));
  });
}
