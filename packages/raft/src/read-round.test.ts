// Goal: a round that reads ask for costs as few messages as a majority takes, and is late by no
// more than a moment where one of those who are asked does not answer (safety.md 13). Method:
// clusters of several sizes, some of whose members are cut off, and the heartbeats that were sent.
import { describe, expect, it } from 'vitest';
import { defaultRaftSettings } from './settings.ts';
import { TestCluster } from './test-cluster.ts';

const { readRoundMs } = defaultRaftSettings;

function elected(options: ConstructorParameters<typeof TestCluster>[0]): TestCluster {
  const cluster = new TestCluster(options);
  cluster.elect(1);
  cluster.propose(1);
  cluster.settle();
  return cluster;
}

/** Whom the leader, member 1, asks first for a read of its own, and whether that was enough. */
function askedBy(cluster: TestCluster): readonly [readonly bigint[], boolean] {
  const before = cluster.sent.length;
  const id = cluster.read(1);
  cluster.settle();
  const beats = cluster.sent.slice(before).filter(({ type }) => type === 'heartbeat');
  return [beats.map(({ to }) => to), cluster.reads.some((read) => read.id === id)];
}

describe('a round of reads', () => {
  it('asks as many as are a majority with the leader, and no learner', () => {
    expect(askedBy(elected({ voters: 1, learners: 1 }))).toEqual([[], true]);
    expect(askedBy(elected({ voters: 2 }))).toEqual([[2n], true]);
    expect(askedBy(elected({ voters: 3, learners: 2 }))).toEqual([[2n], true]);
    expect(askedBy(elected({ voters: 5 }))).toEqual([[2n, 3n], true]);
  });

  it('asks everybody in the middle of a change of members', () => {
    const cluster = elected({ voters: 3, learners: 2 });
    cluster.isolate(4);
    cluster.isolate(5);
    cluster.change(1, [1, 4, 5]);
    cluster.settle();
    expect(askedBy(cluster)).toEqual([[2n, 3n, 4n, 5n], false]);
  });

  it('asks everybody when those are late, and those who answer from then on', () => {
    const cluster = elected({ voters: 3 });
    cluster.isolate(2);
    const [asked, isAnswered] = askedBy(cluster);
    expect([asked, isAnswered, cluster.reads]).toEqual([[2n], false, []]);
    cluster.passTime(readRoundMs - 1);
    cluster.settle();
    expect(cluster.reads).toEqual([]);
    cluster.passTime(1);
    cluster.settle();
    expect(cluster.reads.length).toBe(1);
    expect(askedBy(cluster)).toEqual([[3n], true]);
    cluster.run(200);
    expect(askedBy(cluster)).toEqual([[3n], true]);
  });

  it('asks the one that answers first, of those who answer', () => {
    const cluster = elected({ voters: 3 });
    cluster.passTime(defaultRaftSettings.heartbeatMs);
    cluster.deliver(({ to }) => to !== 2n);
    cluster.deliver(({ from }) => from === 3n);
    cluster.passTime(1);
    cluster.settle();
    expect(askedBy(cluster)).toEqual([[3n], true]);
  });

  it('asks no member last heard of as dead while another is there', () => {
    const cluster = elected({ voters: 3 });
    cluster.step(1, { type: 'peer-unreachable', peer: cluster.member(2).id, refused: true });
    expect(askedBy(cluster)).toEqual([[3n], true]);
  });

  it('keeps no timer once it is answered', () => {
    const cluster = elected({ voters: 3 });
    const beforeMs = cluster.raft(1).nextTickMs;
    askedBy(cluster);
    expect(cluster.raft(1).nextTickMs).toBe(beforeMs);
  });
});
