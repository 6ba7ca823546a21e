// Goal: each judge of what a member promises to others refuses a history that breaks the promise,
// and accepts the nearest one that does not. Method: histories made by hand.
import { type Index, index, memberId, type Term, term } from '@holdfast/base/ids';
import { newConfiguration } from '@holdfast/raft/configuration';
import type { LogId } from '@holdfast/raft/entry';
import { describe, expect, it } from 'vitest';
import type { TermAt } from './commit-permanence.ts';
import { CommitRule } from './commit-rule.ts';
import { DurablePromises } from './durable-promises.ts';
import { FailedSync } from './failed-sync.ts';
import { KeptAcknowledgements } from './kept-acknowledgements.ts';
import { isMajority } from './majority.ts';
import { judgeRepairCount } from './repair-count.ts';
import { judgeSavedPromise } from './saved-promises.ts';
import { judgePurge, judgeSnapshot } from './snapshot-order.ts';
import { TermCommits } from './term-commits.ts';
import { judgeTwinCopies } from './twin-copies.ts';
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
  const held = (...terms: number[]) => ({ purged: index(0), termAt: log(...terms) });
  /** It has acknowledged 2 and 3 in term 1, whose leader has committed through `committed`. */
  const judgeOf = (committed: number): KeptAcknowledgements => {
    const commits = new TermCommits();
    commits.observe(term(1), id(committed, 1));
    commits.observe(term(3), id(5, 3));
    const judge = new KeptAcknowledgements(commits);
    judge.acknowledged(a, term(1), id(2, 1));
    judge.acknowledged(a, term(1), id(3, 1));
    return judge;
  };

  it('refuses a promise by a member that lost what it acknowledged', () => {
    const judge = judgeOf(3);
    judge.judgePromise(a, held(1, 1, 1), 'votes');
    judge.judgePromise(a, { purged: index(3), termAt: log() }, 'votes');
    expect(() => judge.judgePromise(a, held(1, 1), 'votes')).toThrow(/3@1, and holds nothing/);
  });

  it('owes nothing of what was never committed', () => {
    const judge = judgeOf(2);
    judge.judgePromise(a, held(1, 1), 'votes');
    expect(() => judge.judgePromise(a, held(1), 'votes')).toThrow(/2@1/);
  });

  it('owes nothing that a leader replaced, though a later one committed it', () => {
    const judge = judgeOf(2);
    judge.judgePromise(a, held(1, 1, 2, 2), 'says success');
    judge.acknowledged(a, term(2), id(4, 2));
    judge.judgePromise(a, held(1, 1, 2, 2), 'votes');
    expect(() => judge.judgePromise(a, held(1), 'votes')).toThrow(/2@1/);
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

describe('judgeSavedPromise', () => {
  const vote = { type: 'vote-response', from: a, to: b, term: term(2), granted: true } as const;

  it('accepts what the saved status says, and what a later one leaves behind', () => {
    judgeSavedPromise(vote, { term: term(2), vote: b });
    judgeSavedPromise(vote, { term: term(3), vote: undefined });
    judgeSavedPromise({ ...vote, granted: false }, { term: term(1), vote: undefined });
    judgeSavedPromise(vote, undefined);
  });

  it('refuses a vote, a candidacy and a success that are not saved yet', () => {
    const older = { term: term(1), vote: b };
    const candidacy = {
      type: 'vote-request',
      from: a,
      to: b,
      term: term(2),
      lastLog: id(1, 1),
      transfer: false,
    } as const;
    const success = {
      type: 'append-entries-response',
      from: a,
      to: b,
      term: term(2),
      result: 'success',
      match: index(1),
    } as const;
    for (const message of [vote, candidacy, success]) {
      expect(() => judgeSavedPromise(message, older)).toThrow(/status says term 1/);
    }
    const other = { term: term(2), vote: c };
    expect(() => judgeSavedPromise(vote, other)).toThrow(/a vote for 3/);
    expect(() => judgeSavedPromise(candidacy, other)).toThrow(/a vote for 3/);
    judgeSavedPromise(success, other);
  });
});

describe('FailedSync', () => {
  it('refuses anything more that is called synced, until the process is gone', () => {
    const judge = new FailedSync();
    judge.observe(a, index(3));
    judge.failed(a, index(5));
    judge.failed(a, index(9));
    judge.observe(a, index(5));
    judge.observe(b, index(6));
    expect(() => judge.observe(a, index(6))).toThrow(/6 synced after a sync up to 5/);
    judge.forget(a);
    judge.observe(a, index(6));
  });
});

describe('DurablePromises', () => {
  const judgeOf = (): DurablePromises => {
    const judge = new DurablePromises();
    judge.logSynced(a, id(3, 2));
    judge.statusSaved(a, { term: term(2), vote: b });
    return judge;
  };
  const start = index(0);

  it('accepts what was synced, and more', () => {
    judgeOf().judgeLog(a, { purged: start, termAt: log(1, 1, 2, 2) });
    judgeOf().judgeLog(a, { purged: index(4), termAt: log() });
    judgeOf().judgeStatus(a, { term: term(2), vote: b });
    judgeOf().judgeStatus(a, { term: term(3), vote: undefined });
  });

  it('refuses a log that is shorter or another, unless its disk was taken away', () => {
    const short = { purged: start, termAt: log(1, 1) };
    expect(() => judgeOf().judgeLog(a, short)).toThrow(/without the synced 3@2: it holds nothing/);
    const other = { purged: start, termAt: log(1, 1, 1) };
    expect(() => judgeOf().judgeLog(a, other)).toThrow(/it holds 1 there/);
    const replaced = judgeOf();
    replaced.forget(a);
    replaced.judgeLog(a, short);
  });

  it('refuses a forgotten vote, an older term and no status', () => {
    const forgotten = { term: term(2), vote: undefined };
    expect(() => judgeOf().judgeStatus(a, forgotten)).toThrow(/a vote for nobody/);
    expect(() => judgeOf().judgeStatus(a, { term: term(1), vote: b })).toThrow(/with term 1/);
    expect(() => judgeOf().judgeStatus(a, undefined)).toThrow(/with nothing/);
  });
});

describe('judgeSnapshot and judgePurge', () => {
  it('refuse a snapshot ahead of the log or of the state, and a purge past the older one', () => {
    judgeSnapshot(a, { through: index(5), applied: index(6), persisted: index(5) });
    const unsynced = { through: index(5), applied: index(6), persisted: index(4) };
    expect(() => judgeSnapshot(a, unsynced)).toThrow(/synced 4/);
    const unapplied = { through: index(5), applied: index(4), persisted: index(6) };
    expect(() => judgeSnapshot(a, unapplied)).toThrow(/applied 4/);
    judgePurge(a, index(5), [index(9), index(5)]);
    expect(() => judgePurge(a, index(6), [index(9), index(5)])).toThrow(/drops 6/);
    expect(() => judgePurge(a, index(6), [index(9)])).toThrow(/its snapshots: 9/);
  });
});

describe('judgeTwinCopies', () => {
  it('refuses a saved status of which the copies differ', () => {
    judgeTwinCopies(a, new Uint8Array(8192).fill(7));
    const half = new Uint8Array(8192).fill(7, 0, 4096);
    expect(() => judgeTwinCopies(a, half)).toThrow(/1 calls a status saved .* one copy alone/);
  });
});
