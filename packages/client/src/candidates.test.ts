// Goal: an endpoint whose gate lets one call through gets exactly one, also where several calls
// have looked at it before that; and nobody is left without anybody to ask. Method: rounds that
// begin together, over endpoints whose breakers are set by hand.
import { describe, expect, it } from 'vitest';

import { scriptedCaller } from './caller.fixture.ts';
import type { Candidates, CandidatesFor } from './candidates.ts';
import { fine } from './scripted-http.fixture.ts';

const read: CandidatesFor = { isRead: true, pace: 'quick' };
const write: CandidatesFor = { isRead: false, pace: 'quick' };

function make() {
  const { clock, endpoints } = scriptedCaller({ a: fine, b: fine });
  const [a, b] = [endpoints.at('a'), endpoints.at('b')];
  return { clock, endpoints, a, b };
}

/** Whom the round asks, to its end. */
function rest(candidates: Candidates, mayForce: boolean): readonly string[] {
  const asked: string[] = [];
  while (candidates.hasMore(mayForce)) {
    const visit = candidates.next(mayForce);
    if (visit) asked.push(visit.address);
  }
  return asked;
}

describe('candidates', () => {
  it('take turns', () => {
    const { endpoints } = make();
    const firsts = [1, 2, 3, 4].map(() => rest(endpoints.candidates(read), false).at(0));
    expect(new Set([firsts.slice(0, 2).join(''), firsts.slice(2).join('')]).size).toBe(1);
    expect(new Set(firsts)).toEqual(new Set(['a', 'b']));
  });

  it('leave out who is set aside, unless nobody has answered', () => {
    const { endpoints, a } = make();
    a.breaker.trip('a test');
    expect(rest(endpoints.candidates(read), false)).toEqual(['b']);
    expect(rest(endpoints.candidates(read), true)).toEqual(['b', 'a']);
  });

  it('ask who can serve nobody now after the others, for a second', () => {
    const { endpoints, clock, a, b } = make();
    a.rest();
    for (let round = 0; round < 4; round += 1) {
      expect(rest(endpoints.candidates(write), false)).toEqual(['b', 'a']);
    }
    b.doubt();
    expect(rest(endpoints.candidates(read), false)).toEqual(['a', 'b']);
    b.answered();
    clock.advance(1000);
    const firsts = [1, 2].map(() => rest(endpoints.candidates(read), false)[0]);
    expect(new Set(firsts)).toEqual(new Set(['a', 'b']));
  });

  it('of rounds that begin together share one probe', () => {
    const { endpoints, clock, a } = make();
    a.slowBreaker.trip('a test');
    clock.advance(30_000);
    const rounds = [1, 2, 3, 4, 5, 6].map(() => endpoints.candidates(write));
    const asked = rounds.flatMap((one) => rest(one, false));
    expect(asked.filter((address) => address === 'a')).toHaveLength(1);
    expect(asked.filter((address) => address === 'b')).toHaveLength(6);
  });

  it('ask the one that is known to live past its gate, where no other is known to', () => {
    const { endpoints, a, b } = make();
    a.slowBreaker.trip('a test');
    const alone = endpoints.candidates(write);
    alone.prefer('a');
    expect(rest(alone, true)).toEqual(['a', 'b']);
    b.answered();
    const beside = endpoints.candidates(write);
    beside.prefer('a');
    expect(rest(beside, true)).toEqual(['b', 'a']);
  });
});
