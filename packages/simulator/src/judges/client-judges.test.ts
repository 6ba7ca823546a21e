// Goal: each judge of what clients are told refuses a history that breaks the promise, and accepts
// the nearest one that does not. Method: histories made by hand.
import { describe, expect, it } from 'vitest';
import { AcknowledgedWrites } from './acknowledged-writes.ts';
import { EventHistory } from './event-history.ts';
import { ReadFreshness } from './read-freshness.ts';
import { RevisionOrder } from './revision-order.ts';
import { SingleEffect } from './single-effect.ts';

describe('RevisionOrder', () => {
  it('refuses a stale read, a write behind its past, and a revision given twice', () => {
    const judge = new RevisionOrder();
    const early = judge.call();
    judge.answered(judge.call(), 5, true);
    judge.answered(early, 4, true);
    judge.answered(judge.call(), 5, false);
    expect(() => judge.answered(judge.call(), 4, false)).toThrow(/read got 4 after 5/);
    expect(() => judge.answered(judge.call(), 3, true)).toThrow(/write got 3/);
    expect(() => judge.answered(early, 5, true)).toThrow(/two writes/);
  });
});

describe('AcknowledgedWrites', () => {
  const written = (): AcknowledgedWrites => {
    const judge = new AcknowledgedWrites();
    judge.attempted('k', 'a');
    judge.attempted('k', 'b');
    judge.acknowledged('k', 'b', 7);
    judge.acknowledged('k', 'a', 5);
    return judge;
  };
  const stored = (value: string, modRevision: number) => new Map([['k', { value, modRevision }]]);

  it('accepts the last write, and an unknown one behind it', () => {
    written().judge(stored('b', 7), 7);
    const judge = written();
    judge.attempted('k', 'c');
    judge.judge(stored('c', 9), 9);
  });

  it('refuses an older value, a lost key, a shorter store and a refused value', () => {
    expect(() => written().judge(stored('a', 5), 9)).toThrow(/holds a of revision 5/);
    expect(() => written().judge(new Map(), 9)).toThrow(/is gone/);
    expect(() => written().judge(stored('b', 7), 6)).toThrow(/ends at 6/);
    const judge = written();
    judge.attempted('k', 'c');
    judge.refused('k', 'c');
    expect(() => judge.judge(stored('c', 9), 9)).toThrow(/nobody may write/);
  });
});

describe('SingleEffect', () => {
  const written = (): SingleEffect => {
    const history = new EventHistory(0);
    history.happened(1, [{ type: 'put', key: 'k', value: 'a', lease: 0n, text: 'put k a' }]);
    history.happened(2, [{ type: 'delete', key: 'k', value: '', lease: 0n, text: 'delete k' }]);
    const judge = new SingleEffect(history);
    judge.happened('a', 1);
    return judge;
  };

  it('refuses a second effect, and one that was denied', () => {
    written().happened('b', 3);
    expect(() => written().happened('a', 3)).toThrow(/written at 1 and at 3/);
    expect(() => written().refused('a')).toThrow(/written at 1, and refused/);
    const judge = written();
    judge.refused('b');
    expect(() => judge.happened('b', 3)).toThrow(/was refused, and written/);
  });

  it('refuses an acknowledgement of what did not happen at that revision', () => {
    written().acknowledged('k', 'a', 1);
    written().acknowledged('k', undefined, 2);
    expect(() => written().acknowledged('k', 'a', 2)).toThrow(/where there is delete k/);
    expect(() => written().acknowledged('k', undefined, 1)).toThrow(/single-effect/);
    expect(() => written().acknowledged('k', 'a', 3)).toThrow(/nothing/);
  });
});

describe('ReadFreshness', () => {
  it('refuses an age that hides what was told before', () => {
    const judge = new ReadFreshness();
    judge.observeTold(100, 5);
    judge.observeTold(200, 6);
    judge.judgeRead({ atMs: 250, ageMs: 60, revision: 5 });
    judge.judgeRead({ atMs: 250, ageMs: 10, revision: 6 });
    expect(() => judge.judgeRead({ atMs: 250, ageMs: 40, revision: 5 })).toThrow(/not 6/);
    expect(() => judge.judgeRead({ atMs: 250, ageMs: 140, revision: 4 })).toThrow(/not 5/);
  });
});
