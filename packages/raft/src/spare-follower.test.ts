// Goal: followers that a commit does not wait for get many entries in one message, and nobody waits
// for that: neither a commit whose quick followers have fallen silent, nor a reader, nor one who is
// far behind. Method: a cluster whose messages are counted, and a clock that is moved by hand.
import { memberId, requestId } from '@holdfast/base/ids';
import { describe, expect, it } from 'vitest';
import type { RaftSettings } from './settings.ts';
import { TestCluster } from './test-cluster.ts';

const spareAppendMs = 20;

/** Of which nothing is owed to anybody, and in which member 2, and in five 3, answer first. */
function elected(voters = 3, settings: Partial<RaftSettings> = {}): TestCluster {
  const cluster = new TestCluster({ voters, settings: { spareAppendMs, ...settings } });
  cluster.elect(1);
  write(cluster);
  cluster.run(2 * spareAppendMs);
  return cluster;
}

function write(cluster: TestCluster): void {
  cluster.propose(1);
  cluster.settle();
}

/** How many messages with entries each member has been sent. */
const appendsTo = (cluster: TestCluster, before: number): number[] =>
  [2, 3, 4, 5].map(
    (id) =>
      cluster.sent
        .slice(before)
        .filter(({ type, to }) => type === 'append-entries' && to === memberId(BigInt(id)))
        .filter((message) => 'entries' in message && message.entries.length > 0).length,
  );

const lastOf = (cluster: TestCluster, id: number): number => cluster.raft(id).status().last.index;

/** The entries that each member does not have yet. */
const lags = (cluster: TestCluster): number[] =>
  [1, 2, 3].map((id) => lastOf(cluster, 1) - lastOf(cluster, id));

const uncommitted = (cluster: TestCluster): number => lastOf(cluster, 1) - cluster.raft(1).commit;

describe('a follower that no commit waits for', () => {
  it('gets the entries of a moment in one message, and the quick one each at once', () => {
    const cluster = elected();
    const before = cluster.sent.length;
    for (let at = 0; at < 10; at += 1) {
      write(cluster);
      expect(uncommitted(cluster)).toBe(0);
      cluster.passTime(spareAppendMs / 10);
    }
    expect(lags(cluster)).toEqual([0, 0, 9]);
    cluster.settle();
    expect([lags(cluster), appendsTo(cluster, before).slice(0, 2)]).toEqual([
      [0, 0, 0],
      [10, 2],
    ]);
  });

  it('is one of three, and two of five', () => {
    const cluster = elected(5);
    const before = cluster.sent.length;
    for (let at = 0; at < 4; at += 1) write(cluster);
    expect(appendsTo(cluster, before)).toEqual([4, 4, 1, 1]);
  });

  it('is the quick one from the first commit on that had to wait for it', () => {
    const cluster = elected();
    write(cluster);
    cluster.isolate(2);
    write(cluster);
    cluster.passTime(spareAppendMs - 1);
    cluster.settle();
    expect(uncommitted(cluster)).toBe(1);
    cluster.passTime(1);
    cluster.settle();
    expect(uncommitted(cluster)).toBe(0);
    for (let at = 0; at < 3; at += 1) {
      write(cluster);
      expect(uncommitted(cluster)).toBe(0);
    }
  });

  it('is no reason to tick before now, in the middle of a turn either', () => {
    const cluster = elected();
    write(cluster);
    const raft = cluster.raft(1);
    cluster.nowMs += 2 * spareAppendMs;
    const proposals = [{ requestId: requestId(9n), payload: new Uint8Array(1) }];
    raft.step(cluster.nowMs, { type: 'propose', proposals });
    expect(raft.nextTickMs).toBe(cluster.nowMs);
  });

  it('gets what waits at once where it is to lead, or the configuration changes', () => {
    const cluster = elected();
    for (let at = 0; at < 3; at += 1) write(cluster);
    cluster.step(1, { type: 'transfer-leadership', to: memberId(3n) });
    cluster.settle();
    expect([cluster.leaders.map(({ id }) => id), lags(cluster)]).toEqual([[3n], [0, 0, 0]]);
    const other = elected();
    for (let at = 0; at < 3; at += 1) write(other);
    other.change(1, [1, 2]);
    other.settle();
    expect(other.raft(3).status().configuration.voters).toEqual([1n, 2n]);
  });

  it('gets what was committed while a read of it waited for its turn', () => {
    const cluster = elected(5);
    write(cluster);
    cluster.read(1);
    cluster.read(5);
    write(cluster);
    expect(cluster.reads.length).toBe(2);
    expect(lastOf(cluster, 5)).toBe(lastOf(cluster, 1));
  });

  it('gets all that there is when somebody reads from it', () => {
    const cluster = elected();
    for (let at = 0; at < 3; at += 1) write(cluster);
    expect(lags(cluster)).toEqual([0, 0, 2]);
    cluster.read(3);
    cluster.settle();
    expect([lags(cluster), cluster.raft(3).commit]).toEqual([[0, 0, 0], cluster.raft(1).commit]);
  });

  it('is told of a commit with the entries that wait for their time', () => {
    const cluster = elected();
    for (let at = 0; at < 3; at += 1) write(cluster);
    cluster.step(1, { type: 'tell-commit', peer: memberId(3n) });
    cluster.settle();
    expect(lags(cluster)).toEqual([0, 0, 2]);
    cluster.passTime(spareAppendMs);
    cluster.settle();
    expect([lags(cluster), cluster.raft(3).commit]).toEqual([[0, 0, 0], cluster.raft(1).commit]);
  });

  it('waits once for what takes many messages', () => {
    const cluster = elected(3, { appendCountMax: 2 });
    for (let at = 0; at < 9; at += 1) write(cluster);
    expect(lags(cluster)).toEqual([0, 0, 8]);
    cluster.passTime(spareAppendMs);
    cluster.settle();
    expect(lags(cluster)).toEqual([0, 0, 0]);
  });
});
