// Goal: each judge of what clients are told refuses a history that breaks the promise, and accepts
// the nearest one that does not. Method: histories made by hand.
import { describe, expect, it } from 'vitest';
import { AcknowledgedWrites } from './acknowledged-writes.ts';
import { ReadFreshness } from './read-freshness.ts';
import { RevisionOrder } from './revision-order.ts';
import { type EventReference, WatchDelivery } from './watch-delivery.ts';

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
    const happened = (revision: number): string[] => (revision === 5 ? ['k=a'] : ['k=c']);
    expect(() => written().judgeEvents(happened, 1)).toThrow(/k=b at 7 is k=c/);
    written().judgeEvents(happened, 8);
    const judge = written();
    judge.attempted('k', 'c');
    judge.refused('k', 'c');
    expect(() => judge.judge(stored('c', 9), 9)).toThrow(/nobody may write/);
  });
});

describe('WatchDelivery', () => {
  const happened: Record<number, string[]> = { 2: ['put a'], 3: ['put b', 'put c'], 5: ['del a'] };
  const reference: EventReference = {
    firstRevision: 1,
    lastRevision: 5,
    textsOf: (revision) => happened[revision] ?? [],
  };
  const give = (...revisions: number[]): WatchDelivery => {
    const watch = new WatchDelivery('w', 2);
    for (const revision of revisions) {
      watch.observe({ type: 'events', revision, events: happened[revision] ?? [] });
    }
    return watch;
  };

  it('accepts all that happened, and a part from the start while more is owed', () => {
    give(2, 3, 5).judge(reference, true);
    give(2, 3).judge(reference, false);
    const watch = give(2, 3);
    watch.observe({ type: 'progress', revision: 4 });
    watch.observe({ type: 'events', revision: 5, events: ['del a'] });
    watch.judge(reference, true);
  });

  it('judges nothing before the history that is left', () => {
    give(2, 3, 5).judge({ ...reference, firstRevision: 4 }, true);
    expect(() => give(2, 3).judge({ ...reference, firstRevision: 4 }, true)).toThrow(/missed/);
  });

  it('refuses a gap, a repetition, a torn transaction and events that never were', () => {
    expect(() => give(2, 5).judge(reference, false)).toThrow(/missed revision 3/);
    expect(() => give(2, 3).judge(reference, true)).toThrow(/missed revision 5/);
    expect(() => give(2, 2)).toThrow(/got revision 2 after/);
    expect(() => give(2, 3, 4).judge(reference, false)).toThrow(/nothing happened/);
    const torn = give(2);
    torn.observe({ type: 'events', revision: 3, events: ['put b'] });
    expect(() => torn.judge(reference, false)).toThrow(/revision 3 was given as/);
  });

  it('refuses a progress notice that ran ahead of an event', () => {
    const watch = give(2);
    watch.observe({ type: 'progress', revision: 3 });
    expect(() => watch.judge(reference, false)).toThrow(/missed revision 3/);
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
