// Goal: each judge of leases and sessions refuses a history that breaks its promise, and accepts
// the nearest one that does not. Method: histories made by hand.
import { describe, expect, it } from 'vitest';
import { type LeasedEvent, LeaseKeys } from './lease-keys.ts';
import { LeaseSafety } from './lease-safety.ts';
import { SessionAnswers } from './session-answers.ts';

describe('LeaseSafety', () => {
  const granted = (): LeaseSafety => {
    const judge = new LeaseSafety();
    judge.asked(1n, 1000);
    judge.acknowledged(1n, 100);
    judge.acknowledged(1n, 600);
    return judge;
  };

  it('refuses an end before the promised time, which the last keep-alive set', () => {
    expect(() => granted().ended(1n, 1500)).toThrow(/ended at 1500.0 ms, was promised until 1599/);
    const judge = granted();
    judge.ended(1n, 1600);
    expect(judge.hasEnded(1n)).toBe(true);
    expect(judge.endCount).toBe(1);
  });

  it('refuses a keep-alive that is acknowledged for a lease that has ended', () => {
    const judge = granted();
    judge.ended(1n, 1600);
    expect(() => judge.acknowledged(1n, 1590)).toThrow(/lease-safety/);
  });

  it('accepts any end that a client may have asked for, or that nobody was promised against', () => {
    const revoked = granted();
    revoked.revokeAsked(1n);
    revoked.ended(1n, 700);
    const unknown = new LeaseSafety();
    unknown.asked(2n, 1000);
    unknown.ended(2n, 50);
  });
});

describe('LeaseKeys', () => {
  const put = (key: string, lease: bigint): LeasedEvent => ({ type: 'put', key, lease });
  const gone = (key: string): LeasedEvent => ({ type: 'delete', key, lease: 0n });
  const hung = (): LeaseKeys => {
    const judge = new LeaseKeys();
    judge.happened(2, [put('a', 1n)]);
    judge.happened(3, [put('b', 1n)]);
    judge.happened(4, [put('c', 2n)]);
    return judge;
  };

  it('accepts keys that go together, with their lease', () => {
    const judge = hung();
    judge.happened(5, [gone('a'), gone('b')]);
    judge.ended(1n);
  });

  it('refuses keys that go one by one, stay behind, or come after the end', () => {
    expect(() => hung().happened(5, [gone('a')])).toThrow(/of lease 1 b is left at revision 5/);
    expect(() => hung().ended(2n)).toThrow(/c is left after its end/);
    expect(() => hung().happened(5, [gone('x')])).toThrow(/x vanished/);
    const judge = hung();
    judge.happened(5, [gone('c')]);
    judge.ended(2n);
    expect(() => judge.happened(6, [put('d', 2n)])).toThrow(/its end past/);
  });
});

describe('SessionAnswers', () => {
  it('refuses a repeated write that answers in another way', () => {
    const judge = new SessionAnswers();
    judge.answered(1n, 1, 'revision 5');
    judge.answered(1n, 2, 'revision 6');
    judge.answered(1n, 1, 'revision 5');
    expect(judge.repeatCount).toBe(1);
    expect(() => judge.answered(1n, 1, 'revision 7')).toThrow(/answered revision 5, and later/);
  });
});
