// Goal: each proposal ends exactly once, and its error says what became of the write. Method: the
// table alone, with every way in which a proposal can end.
import { HoldfastError as Failure, type HoldfastError } from '@holdfast/base/errors';
import { index, requestId, term } from '@holdfast/base/ids';
import { describe, expect, it } from 'vitest';
import { lost, Proposals, type Proposed } from './proposals.ts';

function newTable(limits = { countMax: 3, bytesMax: 100 }) {
  const proposals = new Proposals(limits);
  const ended: string[] = [];
  const add = (number: number, bytes = 10, sinceMs = 0): void => {
    const waiter = {
      resolve: ({ result }: Proposed) => void ended.push(`${number}=${String(result)}`),
      reject: ({ code, outcome }: HoldfastError) => void ended.push(`${number} ${code} ${outcome}`),
    };
    proposals.admit(bytes);
    proposals.add(requestId(BigInt(number)), { waiter, count: 1, bytes, sinceMs });
  };
  const place = (number: number, at: number, inTerm = 1): void =>
    proposals.place(requestId(BigInt(number)), { index: index(at), term: term(inTerm) });
  return { proposals, ended, add, place };
}

describe('Proposals', () => {
  it('end with the result of their entry', () => {
    const { proposals, ended, add, place } = newTable();
    add(1);
    place(1, 5);
    proposals.applied({ index: index(5), term: term(1) }, 'done');
    proposals.applied({ index: index(5), term: term(1) }, 'again');
    proposals.rejectAll(lost('unknown'));
    expect(ended).toEqual(['1=done']);
    expect(proposals.count).toBe(0);
  });

  it('whose result comes from a doubted state are of unknown outcome, unless overwritten', () => {
    const { proposals, ended, add, place } = newTable();
    add(1);
    place(1, 5);
    add(2);
    place(2, 6);
    proposals.applied({ index: index(5), term: term(1) }, 'wrong', true);
    proposals.applied({ index: index(6), term: term(2) }, 'wrong', true);
    expect(ended).toEqual(['1 unavailable unknown', '2 leadership-lost not-applied']);
    expect(proposals.count).toBe(0);
  });

  it('that were overwritten have no effect', () => {
    const { proposals, ended, add, place } = newTable();
    add(1);
    place(1, 5);
    proposals.applied({ index: index(5), term: term(2) }, 'other');
    expect(ended).toEqual(['1 leadership-lost not-applied']);
  });

  it('whose place is given away in a later term are of unknown outcome', () => {
    const { proposals, ended, add, place } = newTable();
    add(1);
    place(1, 5);
    add(2);
    place(2, 5, 3);
    proposals.applied({ index: index(5), term: term(3) }, 'second');
    expect(ended).toEqual(['1 leadership-lost unknown', '2=second']);
    expect([proposals.count, proposals.refusal(100)]).toEqual([0, undefined]);
  });

  it('under a snapshot, too old, or never answered are of unknown outcome', () => {
    const { proposals, ended, add, place } = newTable();
    add(1);
    place(1, 5);
    proposals.skip(index(5));
    add(2, 10, 100);
    place(2, 6);
    proposals.expirePlaced(100);
    proposals.expirePlaced(101);
    add(3, 10, 100);
    proposals.expireUnplaced(100, () => lost('unknown'));
    proposals.expireUnplaced(101, () => lost('unknown'));
    expect(ended).toEqual([1, 2, 3].map((number) => `${number} leadership-lost unknown`));
  });

  it('are limited by count and by bytes, and a single large one is taken', () => {
    const { proposals, add } = newTable();
    expect(proposals.refusal(1000)).toBeUndefined();
    add(1, 95);
    expect(proposals.refusal(10)?.code).toBe('resource-exhausted');
    expect(proposals.refusal(5)).toBeUndefined();
    add(2, 1);
    add(3, 1);
    expect(proposals.refusal(1)?.code).toBe('resource-exhausted');
    proposals.refuse(requestId(1n), new Failure('not-leader', 'x'));
    expect(proposals.refusal(90)).toBeUndefined();
  });
});
