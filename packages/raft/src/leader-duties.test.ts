// Goal: what a leader owes with the time (lost messages sent again, a transfer given up, a sign
// that writes work, a look at its quorum) does not wait while reads keep it busy. A round of reads
// put off the next heartbeat once, and all the rest with it: a follower that came back was not
// written to for as long as somebody read. Method: a read every 20 ms.
import { memberId } from '@holdfast/base/ids';
import { describe, expect, it } from 'vitest';
import { TestCluster } from './test-cluster.ts';

const readEveryMs = 20;

function runWithReads(cluster: TestCluster, ms: number): void {
  for (let passed = 0; passed < ms; passed += readEveryMs) {
    cluster.read(1);
    cluster.settle();
    cluster.run(readEveryMs);
  }
}

describe('a leader that is asked for reads all the time', () => {
  it('sends lost entries again', () => {
    const cluster = new TestCluster({ voters: 3 });
    cluster.elect(1);
    cluster.isolate(3);
    cluster.propose(1, 5);
    runWithReads(cluster, 2000);
    cluster.heal();
    runWithReads(cluster, 500);
    expect(cluster.raft(3).commit).toBe(cluster.raft(1).commit);
  });

  it('gives a transfer up that does not come about', () => {
    const cluster = new TestCluster({ voters: 3 });
    cluster.elect(1);
    cluster.isolate(3);
    cluster.propose(1);
    cluster.step(1, { type: 'transfer-leadership', to: memberId(3n) });
    runWithReads(cluster, 2000);
    const before = cluster.raft(1).commit;
    cluster.propose(1);
    cluster.settle();
    expect(cluster.raft(1).commit).toBe(before + 1);
  });

  it('proves that writes work', () => {
    const cluster = new TestCluster({ voters: 3, settings: { idleCommitMs: 1000 } });
    cluster.elect(1);
    const before = cluster.raft(1).commit;
    runWithReads(cluster, 3500);
    expect(cluster.raft(1).commit).toBeGreaterThanOrEqual(before + 3);
  });

  it('beats for its followers as ever, and once more for each read', () => {
    const cluster = new TestCluster({ voters: 3 });
    cluster.elect(1);
    const before = cluster.sent.length;
    runWithReads(cluster, 1000);
    const beats = cluster.sent.slice(before).filter(({ type }) => type === 'heartbeat');
    const [asked, other] = [2n, 3n].map((to) => beats.filter((one) => one.to === to).length);
    expect([asked, other]).toEqual([10 + 1000 / readEveryMs, 10]);
    expect(cluster.raft(1).role).toBe('leader');
  });
});
