// Goal: followers hear of a commit with the entries that follow it, with a heartbeat, or a moment
// later for itself; never later than that, and under load with no message of its own. Method: a
// cluster whose messages are counted, and a clock that is moved by hand.
import { memberId } from '@holdfast/base/ids';
import { describe, expect, it } from 'vitest';
import type { RaftSettings } from './settings.ts';
import { TestCluster } from './test-cluster.ts';

const commitNoticeMs = 20;

/** Of which nothing is owed to anybody. */
function elected(settings: Partial<RaftSettings> = {}): TestCluster {
  const cluster = new TestCluster({ voters: 3, settings: { commitNoticeMs, ...settings } });
  cluster.elect(1);
  cluster.run(2 * commitNoticeMs);
  return cluster;
}

const commits = (cluster: TestCluster): number[] =>
  [1, 2, 3].map((id) => cluster.raft(id).commit - cluster.raft(1).commit);

const appendsSince = (cluster: TestCluster, before: number): number =>
  cluster.sent.slice(before).filter(({ type }) => type === 'append-entries').length;

describe('a commit', () => {
  it('is told for itself when nothing else has told of it', () => {
    const cluster = elected();
    const before = cluster.sent.length;
    cluster.propose(1);
    cluster.settle();
    expect([commits(cluster), appendsSince(cluster, before)]).toEqual([[0, -1, -1], 2]);
    cluster.run(commitNoticeMs);
    expect([commits(cluster), appendsSince(cluster, before)]).toEqual([[0, 0, 0], 4]);
    cluster.run(3 * commitNoticeMs);
    expect(appendsSince(cluster, before)).toBe(4);
  });

  it('travels with the entries that follow it, for which it needs no message', () => {
    const cluster = elected();
    const before = cluster.sent.length;
    for (let at = 0; at < 10; at += 1) {
      cluster.propose(1);
      cluster.settle();
      cluster.passTime(commitNoticeMs / 2);
    }
    expect([commits(cluster), appendsSince(cluster, before)]).toEqual([[0, -1, -1], 20]);
  });

  it('travels with a round of reads to those who are asked', () => {
    const cluster = elected();
    const before = cluster.sent.length;
    cluster.propose(1);
    cluster.settle();
    cluster.read(1);
    cluster.settle();
    expect([commits(cluster), appendsSince(cluster, before)]).toEqual([[0, 0, -1], 2]);
    cluster.run(2 * commitNoticeMs);
    expect([commits(cluster), appendsSince(cluster, before)]).toEqual([[0, 0, 0], 3]);
  });

  it('leaves at once for a follower that asks for a read', () => {
    const cluster = elected();
    const before = cluster.sent.length;
    cluster.propose(1);
    cluster.settle();
    cluster.read(2);
    cluster.settle();
    expect([commits(cluster), appendsSince(cluster, before)]).toEqual([[0, 0, -1], 3]);
  });

  it('is told at once to whom somebody asks for it, and to nobody else', () => {
    const cluster = elected();
    cluster.propose(1);
    cluster.settle();
    const before = cluster.sent.length;
    cluster.step(1, { type: 'tell-commit', peer: memberId(2n) });
    cluster.settle();
    expect([commits(cluster), appendsSince(cluster, before)]).toEqual([[0, 0, -1], 1]);
    cluster.step(1, { type: 'tell-commit', peer: memberId(2n) });
    cluster.settle();
    expect(appendsSince(cluster, before)).toBe(1);
  });

  it('waits for an answer, and not for a clock, where no more may be on the way', () => {
    const cluster = elected({ inflightCountMax: 1 });
    cluster.member(2).holdsSyncs = true;
    cluster.propose(1);
    cluster.settle();
    cluster.run(2 * commitNoticeMs);
    cluster.step(1, { type: 'tell-commit', peer: memberId(2n) });
    expect(cluster.raft(1).nextTickMs).toBeGreaterThan(cluster.nowMs);
    expect(commits(cluster)).toEqual([0, -1, 0]);
  });

  it('is not answered, where entries are', () => {
    const cluster = elected();
    cluster.propose(1);
    cluster.settle();
    const before = cluster.sent.length;
    cluster.run(commitNoticeMs);
    const sent = cluster.sent.slice(before).filter(({ type }) => type.startsWith('append-entries'));
    expect(sent.map(({ type }) => type)).toEqual(['append-entries', 'append-entries']);
    expect(sent.map((message) => 'isNotice' in message && message.isNotice)).toEqual([true, true]);
  });
});
