// Goal: each judge of what a member promises to others refuses a history that breaks the promise, and
// accepts the nearest one that does not. Method: histories made by hand.
import { type Index, index, memberId, type Term, term } from '@holdfast/base/ids';
import { newConfiguration } from '@holdfast/raft/configuration';
import type { LogId } from '@holdfast/raft/entry';
import { describe, expect, it } from 'vitest';
import { CommitPermanence, type TermAt } from './commit-permanence.ts';
import { CommitRule } from './commit-rule.ts';
import { DurablePromises, type FoundState } from './durable-promises.ts';
import { KeptAcknowledgements } from './kept-acknowledgements.ts';
import { isMajority } from './majority.ts';
import { judgeRepairCount } from './repair-count.ts';
import { Votes } from './votes.ts';

const [a, b, c] = [memberId(1n), memberId(2n), memberId(3n)];
const id = (i: number, t: number): LogId => ({ index: index(i), term: term(t) });
/** A log by its terms, from index 1 on. */
const log =
  (...terms: number[]): TermAt =>
  (at: Index) =>
    terms[at - 1] as Term | undefined;

describe('isMajority', () => {
  it('is more than half, of both halves', () => {
    const four = newConfiguration({ voters: [1n, 2n, 3n, 4n].map(memberId) });
    expect(isMajority(four, (member) => member <= 2n)).toBe(false);
    expect(isMajority(four, (member) => member <= 3n)).toBe(true);
    const joint = { ...newConfiguration({ voters: [a] }), votersOutgoing: [b, c] };
    expect(isMajority(joint, (member) => member !== b)).toBe(false);
    expect(isMajority(joint, () => true)).toBe(true);
  });
});

describe('Votes', () => {
  const three = newConfiguration({ voters: [a, b, c] });

  it('refuses a second vote in a term, by whatever boot', () => {
    const judge = new Votes();
    judge.observeVote({ voter: a, term: term(2), candidate: b });
    judge.observeVote({ voter: a, term: term(2), candidate: b });
    judge.observeVote({ voter: a, term: term(3), candidate: c });
    expect(() => judge.observeVote({ voter: a, term: term(2), candidate: a })).toThrow(/votes/);
  });

  it('refuses a leader without a majority of votes', () => {
    const judge = new Votes();
    expect(() => judge.observeLeader(a, term(2), three)).toThrow(/by the votes of \(1\)/);
    judge.observeVote({ voter: b, term: term(3), candidate: a });
    judge.observeLeader(a, term(3), three);
  });
});

describe('KeptAcknowledgements', () => {
  const judgeOf = (...committed: number[]): KeptAcknowledgements => {
    const commits = new CommitPermanence();
    commits.observeCommit(b, index(committed.length), log(...committed));
    const judge = new KeptAcknowledgements(commits);
    judge.acknowledged(a, id(2, 1));
    judge.acknowledged(a, id(3, 1));
    return judge;
  };
  const whole = index(0);

  it('refuses a promise by a member that lost what it acknowledged', () => {
    const judge = judgeOf(1, 1, 1);
    judge.judgePromise(a, { purged: whole, termAt: log(1, 1, 1) }, 'votes');
    judge.judgePromise(a, { purged: index(3), termAt: log() }, 'votes');
    const lost = { purged: whole, termAt: log(1, 1) };
    expect(() => judge.judgePromise(a, lost, 'votes')).toThrow(/3@1, and holds nothing/);
  });

  it('owes nothing of what was never committed', () => {
    const judge = judgeOf(1, 1, 2);
    judge.judgePromise(a, { purged: whole, termAt: log(1, 1) }, 'votes');
    expect(() => judge.judgePromise(a, { purged: whole, termAt: log(1) }, 'votes')).toThrow(/2@1/);
  });
});

describe('CommitRule', () => {
  it('refuses a commit of an older term by counting', () => {
    const judge = new CommitRule();
    judge.observeLeader(a, { term: term(3), commit: index(4), commitTerm: term(2) });
    judge.observeLeader(a, { term: term(3), commit: index(6), commitTerm: term(3) });
    const older = { term: term(3), commit: index(7), commitTerm: term(2) };
    expect(() => judge.observeLeader(a, older)).toThrow(/commits 7 of term 2/);
  });
});

describe('judgeRepairCount', () => {
  it('refuses a repairing member that counts', () => {
    judgeRepairCount(a, [{ id: b, match: index(0), repairing: true }]);
    judgeRepairCount(a, [{ id: b, match: index(4), repairing: false }]);
    const counted = [{ id: b, match: index(4), repairing: true }];
    expect(() => judgeRepairCount(a, counted)).toThrow(/up to 4/);
  });
});

describe('DurablePromises', () => {
  const found = (change: Partial<FoundState>): FoundState => ({
    purged: id(0, 0),
    termAt: log(1, 1, 2),
    status: { term: term(2), vote: b },
    isRepairing: false,
    ...change,
  });
  const judgeOf = (): DurablePromises => {
    const judge = new DurablePromises();
    judge.logSynced(a, id(3, 2));
    judge.statusSaved(a, { term: term(2), vote: b });
    return judge;
  };

  it('accepts what was synced, and more', () => {
    judgeOf().observeStart(a, found({}));
    judgeOf().observeStart(a, found({ status: { term: term(3), vote: undefined } }));
    judgeOf().observeStart(a, found({ purged: id(4, 2), termAt: log() }));
  });

  it('refuses less, unless the member knows it', () => {
    const short = { termAt: log(1, 1) };
    expect(() => judgeOf().observeStart(a, found(short))).toThrow(/without the synced 3@2/);
    judgeOf().observeStart(a, found({ ...short, isRepairing: true }));
    judgeOf().observeStart(a, found({ ...short, status: undefined }));
    const replaced = judgeOf();
    replaced.forget(a);
    replaced.observeStart(a, found(short));
  });

  it('refuses a forgotten vote and an older term', () => {
    const forgotten = { status: { term: term(2), vote: undefined } };
    expect(() => judgeOf().observeStart(a, found(forgotten))).toThrow(/a vote for nobody/);
    const older = { status: { term: term(1), vote: b } };
    expect(() => judgeOf().observeStart(a, found(older))).toThrow(/term 1/);
  });
});
