// Goal: a follower that asks the leader for a read is a round of its own where the two of them are
// a majority, and nowhere else (safety.md 13). Method: clusters of several sizes, whose messages
// are counted.
import { term } from '@holdfast/base/ids';
import { describe, expect, it } from 'vitest';
import { TestCluster } from './test-cluster.ts';

/** The heartbeats that it took, and what was answered. */
function readAt(cluster: TestCluster, member: number): readonly [number, number | undefined] {
  const before = cluster.sent.length;
  const id = cluster.read(member);
  cluster.settle();
  const heartbeats = cluster.sent.slice(before).filter(({ type }) => type === 'heartbeat').length;
  return [heartbeats, cluster.reads.find((read) => read.id === id)?.index];
}

function elected(options: ConstructorParameters<typeof TestCluster>[0]): TestCluster {
  const cluster = new TestCluster(options);
  cluster.elect(1);
  cluster.propose(1, 3);
  cluster.settle();
  return cluster;
}

describe('a read that a follower asks the leader for', () => {
  it('needs no round of heartbeats among three', () => {
    const cluster = elected({ voters: 3 });
    expect(readAt(cluster, 2)).toEqual([0, 4]);
    expect(readAt(cluster, 1)).toEqual([1, 4]);
  });

  it('needs one among five, and in the middle of a change of members', () => {
    expect(readAt(elected({ voters: 5 }), 2)).toEqual([2, 4]);
    const joint = elected({ voters: 3, learners: 2 });
    joint.isolate(4);
    joint.isolate(5);
    joint.change(1, [1, 4, 5]);
    joint.settle();
    expect(readAt(joint, 2)[1]).toBeUndefined();
  });

  it('needs one where it comes from a member without a vote', () => {
    expect(readAt(elected({ voters: 3, learners: 1 }), 4)).toEqual([1, 4]);
  });

  it('waits for an entry of the term', () => {
    const cluster = new TestCluster({ voters: 3 });
    cluster.timeOut(1);
    while (cluster.raft(2).leader === undefined) cluster.deliver();
    const read = cluster.read(2);
    while (!cluster.sent.some(({ type }) => type === 'read-index-request')) cluster.deliver();
    cluster.deliver((one) => one.type === 'read-index-request');
    expect([cluster.raft(1).commit, cluster.reads]).toEqual([0, []]);
    cluster.settle();
    expect(cluster.reads).toEqual([{ member: 2n, id: read, index: 1 }]);
  });

  it('proves nothing about a later term than its own', () => {
    const cluster = elected({ voters: 3 });
    cluster.isolate(2);
    cluster.step(2, { type: 'read-index', requestId: 77n as never });
    const stale = cluster.sent.filter(({ type }) => type === 'read-index-request').at(-1);
    cluster.heal();
    cluster.elect(3);
    cluster.settle();
    const before = cluster.sent.length;
    if (stale) cluster.step(3, { type: 'message', message: { ...stale, to: 3n as never } });
    const answers = cluster.sent.slice(before).map(({ type }) => type);
    expect([stale?.term, answers.includes('read-index-response')]).toEqual([term(1), false]);
    expect(answers).toContain('heartbeat');
  });
});
