// Goal: each claim about watches refuses a record that breaks it, and accepts the nearest one that
// does not. Method: records made by hand against one short history.
import { describe, expect, it } from 'vitest';
import { EventHistory, type HappenedEvent } from './event-history.ts';
import { judgeWatchAtomicity } from './watch-atomicity.ts';
import { judgeWatchCompaction } from './watch-compaction.ts';
import { judgeWatchCompleteness } from './watch-completeness.ts';
import { judgeWatchOrder } from './watch-order.ts';
import { judgeWatchProgress } from './watch-progress.ts';
import { WatchRecord } from './watch-record.ts';

const put = (key: string, value: string): HappenedEvent => ({
  type: 'put',
  key,
  value,
  lease: 0n,
  text: `put ${key} ${value}`,
});

/** 1: a, 2: b and c together, 3: only x, 4: d. */
function happened(): EventHistory {
  const history = new EventHistory(0);
  const revisions = [[put('k', 'a')], [put('k', 'b'), put('k', 'c')], [put('x', 'x')]];
  for (const [at, events] of [...revisions, [put('k', 'd')]].entries()) {
    history.happened(at + 1, events);
  }
  return history;
}

const history = happened();

/** Each connection: what it is given, a number for that revision's events, `p3` for progress 3. */
function recordOf(...connections: (number | string)[][]): WatchRecord {
  const record = new WatchRecord('w', 1, ({ key }) => key === 'k');
  for (const items of connections) {
    record.connect();
    for (const item of items) give(record, item);
  }
  return record;
}

function give(record: WatchRecord, item: number | string): void {
  if (typeof item === 'string') record.given({ type: 'progress', revision: Number(item.slice(1)) });
  else record.given({ type: 'events', revision: item, events: record.textsAt(history, item) });
}

describe('EventHistory', () => {
  it('refuses a revision that is skipped, repeated or empty', () => {
    expect(() => happened().happened(6, [put('k', 'e')])).toThrow(/6 with 1 events follows 4/);
    expect(() => happened().happened(4, [put('k', 'e')])).toThrow(/event-history/);
    expect(() => happened().happened(5, [])).toThrow(/with 0 events/);
  });
});

describe('judgeWatchOrder', () => {
  it('refuses a repetition, a step back and what was not asked for', () => {
    judgeWatchOrder(recordOf([1, 2], [4]));
    expect(() => judgeWatchOrder(recordOf([1, 1]))).toThrow(/1 after 1/);
    expect(() => judgeWatchOrder(recordOf([2, 1]))).toThrow(/1 after 2/);
    expect(() => judgeWatchOrder(recordOf([1, 2], [2]))).toThrow(/2 after 2/);
    expect(() => judgeWatchOrder(recordOf(['p2'], [2]))).toThrow(/asked from 3/);
  });
});

describe('judgeWatchAtomicity', () => {
  it('refuses a transaction in parts, and what never happened', () => {
    judgeWatchAtomicity(recordOf([1, 2, 4]), history);
    const torn = recordOf([1]);
    torn.given({ type: 'events', revision: 2, events: ['put k b'] });
    expect(() => judgeWatchAtomicity(torn, history)).toThrow(/of revision 2: put k b; it is/);
    const invented = recordOf([1]);
    invented.given({ type: 'events', revision: 3, events: ['put k z'] });
    expect(() => judgeWatchAtomicity(invented, history)).toThrow(/it is: none/);
  });
});

describe('judgeWatchCompleteness', () => {
  it('accepts a part while more is owed, and everything in the end', () => {
    judgeWatchCompleteness(recordOf([1, 2]), history, false);
    judgeWatchCompleteness(recordOf([1, 2], [], ['p3', 4]), history, true);
  });

  it('refuses a gap, what is missing in the end, and what a change of members lost', () => {
    expect(() => judgeWatchCompleteness(recordOf([1, 4]), history, false)).toThrow(
      /watch-completeness.* revision 2/,
    );
    expect(() => judgeWatchCompleteness(recordOf([1, 2]), history, true)).toThrow(/revision 4/);
    expect(() => judgeWatchCompleteness(recordOf([1], [4]), history, false)).toThrow(
      /watch-resumption.*from 2 on, and missed revision 2/,
    );
  });
});

describe('judgeWatchProgress', () => {
  it('refuses a notice ahead of an event, or before the start', () => {
    judgeWatchProgress(recordOf([1, 2, 'p3', 4, 'p4']), history);
    expect(() => judgeWatchProgress(recordOf([1, 'p2', 2]), history)).toThrow(/events of 2/);
    expect(() => judgeWatchProgress(recordOf([1, 2], ['p1']), history)).toThrow(/1 before 3/);
  });
});

describe('judgeWatchCompaction', () => {
  const told = (compactRevision: number): WatchRecord => {
    const record = recordOf([1]);
    record.connect();
    record.toldCompacted(compactRevision);
    return record;
  };

  it('accepts that what is asked for is gone, and goes on behind it', () => {
    judgeWatchCompaction(told(3), history);
    expect(told(3).connect().from).toBe(3);
  });

  it('refuses it where nothing that was asked for is gone, or nothing can be', () => {
    expect(() => judgeWatchCompaction(told(2), history)).toThrow(/wanted 2/);
    expect(() => judgeWatchCompaction(told(9), history)).toThrow(/before 9 is gone/);
  });
});
