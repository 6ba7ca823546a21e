// Goal: each judge of the log's promises refuses a history that breaks its promise, and accepts the
// nearest one that does not. Method: histories made by hand.
import { utf8 } from '@holdfast/base/bytes';
import { type Index, index, memberId, type Term, term } from '@holdfast/base/ids';
import { newConfiguration } from '@holdfast/raft/configuration';
import type { Entry, LogId } from '@holdfast/raft/entry';
import { describe, expect, it } from 'vitest';
import { CommitDurability } from './commit-durability.ts';
import { CommitFreshness } from './commit-freshness.ts';
import { CommitPermanence, type TermAt } from './commit-permanence.ts';
import { ElectionSafety } from './election-safety.ts';
import { judgeInvariantChain } from './invariant-chain.ts';
import { LeaderCompleteness } from './leader-completeness.ts';
import { LogMatching } from './log-matching.ts';
import { MembershipChanges } from './membership-changes.ts';
import { StateMachineSafety } from './state-machine-safety.ts';
import { TermCommits } from './term-commits.ts';

const [a, b, c] = [memberId(1n), memberId(2n), memberId(3n)];
const id = (i: number, t: number): LogId => ({ index: index(i), term: term(t) });
const entry = (i: number, t: number, text = 'x'): Entry => ({
  ...id(i, t),
  kind: 'command',
  payload: utf8(text),
});
/** A log by its terms, from index 1 on. */
const log =
  (...terms: number[]): TermAt =>
  (at: Index) =>
    terms[at - 1] as Term | undefined;

describe('ElectionSafety', () => {
  it('refuses two leaders of one term', () => {
    const judge = new ElectionSafety();
    expect(judge.observeLeader(term(2), a)).toBe(true);
    expect(judge.observeLeader(term(2), a)).toBe(false);
    judge.observeLeader(term(3), b);
    expect(() => judge.observeLeader(term(2), b)).toThrow(/election-safety/);
  });
});

describe('LogMatching', () => {
  it('accepts a conflicting suffix of another term', () => {
    const judge = new LogMatching();
    judge.observeAppend(a, id(0, 0), [entry(1, 1), entry(2, 1)]);
    judge.observeAppend(b, id(1, 1), [entry(2, 2, 'y')]);
  });

  it('refuses two contents, two predecessors, a gap and a falling term', () => {
    const judge = new LogMatching();
    judge.observeAppend(a, id(0, 0), [entry(1, 1), entry(2, 2)]);
    expect(() => judge.observeAppend(b, id(1, 1), [entry(2, 2, 'y')])).toThrow(/content/);
    expect(() => judge.observeAppend(b, id(1, 2), [entry(2, 2)])).toThrow(/follows both/);
    expect(() => judge.observeAppend(b, id(1, 1), [entry(3, 2)])).toThrow(/gap/);
    expect(() => judge.observeAppend(b, id(1, 3), [entry(2, 2)])).toThrow(/terms fall/);
  });
});

describe('CommitPermanence', () => {
  it('refuses another entry at a committed index, on any member', () => {
    const judge = new CommitPermanence();
    judge.observeCommit(a, index(2), log(1, 1));
    judge.observeCommit(b, index(1), log(1, 2));
    expect(() => judge.observeCommit(b, index(2), log(1, 2))).toThrow(/commit-permanence/);
  });

  it('refuses a commit index that falls, but not one that a boot forgot', () => {
    const judge = new CommitPermanence();
    judge.observeCommit(a, index(2), log(1, 1));
    expect(() => judge.observeCommit(a, index(1), log(1, 1))).toThrow(/fell/);
    judge.observeBoot(a);
    judge.observeCommit(a, index(1), log(1, 1));
    expect(judge.committed).toBe(2);
  });
});

describe('LeaderCompleteness', () => {
  const whole = (...terms: number[]) => ({ purged: index(0), termAt: log(...terms) });

  it('refuses a leader without a committed entry, and knows what a snapshot covers', () => {
    const commits = new TermCommits();
    commits.observe(term(2), id(3, 2));
    const judge = new LeaderCompleteness(commits);
    const leader = { member: b, term: term(3) };
    judge.observeElection({ ...leader, log: whole(1, 1, 2, 2) });
    judge.observeElection({ ...leader, log: { purged: index(3), termAt: () => undefined } });
    expect(() => judge.observeElection({ ...leader, log: whole(1, 1) })).toThrow(/nothing at 3/);
    expect(() => judge.observeElection({ ...leader, log: whole(1, 1, 1) })).toThrow(/term 2/);
  });

  it('owes an entry to the term that committed it, not to the one that wrote it', () => {
    const commits = new TermCommits();
    commits.observe(term(4), id(2, 4));
    commits.observe(term(6), id(4, 6));
    const judge = new LeaderCompleteness(commits);
    // It won term 5 with votes that reached it after term 6 had committed what term 4 wrote.
    judge.observeElection({ member: b, term: term(5), log: whole(4, 4) });
    expect(() => judge.observeElection({ member: c, term: term(7), log: whole(4, 4) })).toThrow(
      /leader 3 of term 7 holds nothing at 4, committed is term 6/,
    );
  });
});

describe('StateMachineSafety', () => {
  it('refuses a different, a repeated and a skipped entry', () => {
    const judge = new StateMachineSafety();
    judge.observeApply(a, [entry(1, 1), entry(2, 1)]);
    judge.observeApply(b, [entry(1, 1)]);
    expect(() => judge.observeApply(b, [entry(2, 2)])).toThrow(/another applied/);
    expect(() => judge.observeApply(b, [entry(1, 1)])).toThrow(/after 1/);
    expect(() => judge.observeApply(b, [entry(3, 1)])).toThrow(/after 1/);
    judge.observeRestore(b, index(2));
    judge.observeApply(b, [entry(3, 1)]);
  });

  it('refuses unequal states at one index', () => {
    const judge = new StateMachineSafety();
    judge.observeStateHash(a, index(1), 5n);
    judge.observeStateHash(b, index(1), 5n);
    judge.observeStateHash(b, index(2), 6n);
    expect(() => judge.observeStateHash(a, index(2), 7n)).toThrow(/hashes to 7/);
  });
});

describe('CommitDurability', () => {
  it('refuses a commit that stands on too few disks', () => {
    const voters = newConfiguration({ voters: [a, b, c] });
    const synced = new Map([
      [a, log(1, 1, 2)],
      [b, log(1, 1)],
      [c, log(1, 2)],
    ]);
    const durable = (member: typeof a, { index: at, term: t }: LogId): boolean =>
      synced.get(member)?.(at) === t;
    const judge = new CommitDurability();
    judge.observeCommit(id(2, 1), voters, durable);
    expect(() => judge.observeCommit(id(3, 2), voters, durable)).toThrow(/by \(1\) alone/);
  });
});

describe('judgeInvariantChain', () => {
  const sound = {
    purged: 1,
    applied: 3,
    committed: 4,
    persisted: 5,
    last: 6,
    lastLogTerm: 2,
    savedTerm: 2,
  };
  it('refuses each link that is out of order', () => {
    judgeInvariantChain(a, sound);
    const broken = [
      { purged: 4 },
      { persisted: 0 },
      { applied: 5 },
      { committed: 7 },
      { persisted: 7 },
      { lastLogTerm: 3 },
    ];
    for (const change of broken) {
      expect(() => judgeInvariantChain(a, { ...sound, ...change })).toThrow(/invariant-chain/);
    }
  });
});

describe('CommitFreshness', () => {
  const judged = (stampMs: number, commit: number) => () => {
    const judge = new CommitFreshness();
    judge.observeCommit(10, index(5));
    judge.observeCommit(20, index(8));
    judge.judge(a, { nowMs: 30, stampMs, commit: index(commit) });
  };

  it('finds a commit index that is behind what was committed by then', () => {
    expect(judged(15, 5)).not.toThrow();
    expect(judged(15, 4)).toThrow(/takes 4 for all of 15.000 ms, committed was 5/);
    expect(judged(25, 7)).toThrow(/committed was 8/);
  });

  it('forgives what a chain of timers rounds, and no more', () => {
    expect(judged(30.015, 8)).not.toThrow();
    expect(judged(30.03, 8)).toThrow(/is confirmed as of 30.03, 30/);
  });
});

describe('MembershipChanges', () => {
  const d = memberId(4n);
  const [abc, bcd] = [
    [a, b, c],
    [b, c, d],
  ];
  /** What leader `b` of term 2 has in effect, by the entry at `at`. */
  const seen = (at: number, commit: number, voters = abc, votersOutgoing: typeof abc = []) => ({
    id: b,
    term: term(2),
    commit: index(commit),
    configurationIndex: at,
    configuration: newConfiguration({ voters, votersOutgoing }),
  });

  it('accepts a change through both majorities, and the next one behind it', () => {
    const judge = new MembershipChanges();
    for (const one of [seen(0, 4), seen(5, 4, bcd, abc), seen(6, 5, bcd), seen(7, 6, abc, bcd)]) {
      judge.observeLeader(one);
    }
    expect(judge.changeCount).toBe(3);
  });

  it('refuses a second change before the first is committed', () => {
    const judge = new MembershipChanges();
    judge.observeLeader(seen(0, 4));
    judge.observeLeader(seen(5, 4, bcd, abc));
    expect(() => judge.observeLeader(seen(6, 4, bcd))).toThrow(/is not committed/);
  });

  it('refuses other voters without a joint configuration, and one that is left half done', () => {
    const judge = new MembershipChanges();
    judge.observeLeader(seen(0, 4));
    expect(() => judge.observeLeader(seen(5, 4, bcd))).toThrow(/at once/);
    const other = new MembershipChanges();
    other.observeLeader(seen(5, 4, bcd, abc));
    expect(() => other.observeLeader(seen(6, 5, abc))).toThrow(/at once/);
  });

  it('refuses that one who has left is told that it would be elected', () => {
    const judge = new MembershipChanges();
    judge.observePreVote(a, term(2));
    judge.observeLeader(seen(5, 4, bcd, abc));
    judge.observeCandidacy(a, term(3));
    judge.observeLeader(seen(6, 6, bcd));
    judge.observeCandidacy(a, term(3)); // Asked before it was out.
    judge.observePreVote(a, term(2));
    judge.observeCandidacy(a, term(3)); // Asked again, and answered what it asked before.
    judge.observePreVote(a, term(3));
    expect(() => judge.observeCandidacy(a, term(4))).toThrow(/was removed/);
    judge.observeLeader(seen(7, 6, abc, bcd));
    judge.observeCandidacy(a, term(5)); // Taken in again.
  });
});
