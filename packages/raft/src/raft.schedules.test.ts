// Schedules that a cluster meets seldom and must survive: each test is one that somebody thought of
// first, and each was red against a core that did not think of it. Method: as in
// raft.thesis.test.ts.
import { index, memberId, term } from '@holdfast/base/ids';
import { describe, expect, it } from 'vitest';
import { newConfiguration } from './configuration.ts';
import { Raft } from './raft.ts';
import { defaultRaftSettings } from './settings.ts';
import { TestCluster } from './test-cluster.ts';

const ids = (...list: number[]) => list.map((one) => memberId(BigInt(one)));

describe('elections that must end', () => {
  it('a pre-vote counts though its giver is behind in terms', () => {
    const cluster = new TestCluster({ voters: 2, terms: [5, 3] });
    cluster.elect(1);
    expect(cluster.leaders.map((one) => one.id)).toEqual(ids(1));
  });

  it('the only voter that adds a second one and restarts finds its vote, though that one knows nothing yet', () => {
    const cluster = new TestCluster({ voters: 1 });
    cluster.elect(1);
    cluster.change(1, [1, 2]);
    cluster.network = [];
    cluster.crash(1);
    cluster.restart(1);
    cluster.run(5000);
    expect(cluster.leaders.map((one) => one.id)).toEqual(ids(1));
    expect(cluster.raft(2).commit).toBe(cluster.raft(1).commit);
  });

  it('a candidate whose status saves take longer than an election timeout is elected all the same', () => {
    const cluster = new TestCluster({ voters: 3, logs: [[1], [1, 1], []] });
    cluster.member(3).isDown = true;
    cluster.holdSyncs(2);
    for (let saves = 0; saves < 20 && cluster.leaders.length === 0; saves += 1) {
      while (cluster.member(2).unsynced.length === 0) cluster.run(5);
      cluster.run(700);
      cluster.releaseSyncs(2);
      cluster.holdSyncs(2);
      cluster.settle();
    }
    expect(cluster.leaders.map((one) => one.id)).toEqual(ids(2));
  });
});

describe('membership changes that are cut short', () => {
  it('a leader that removes itself campaigns until that is committed: it may be the only one that can win', () => {
    const cluster = new TestCluster({ voters: 2 });
    cluster.elect(1);
    cluster.change(1, [2]);
    // Thesis figure 4.6: the other one has the joint configuration, and not yet the new one.
    while (cluster.raft(1).configuration.votersOutgoing.length > 0) cluster.deliver();
    cluster.network = [];
    for (const id of [1, 2]) cluster.crash(id);
    for (const id of [1, 2]) cluster.restart(id);
    cluster.run(10_000);
    expect(cluster.leaders.map((one) => one.id)).toEqual(ids(2));
    expect(cluster.raft(2).status().configuration.voters).toEqual(ids(2));
  });

  it('a member that finds its removal committed when it starts does not campaign', () => {
    const raft = new Raft({
      id: memberId(1n),
      settings: defaultRaftSettings,
      seed: 1,
      nowMs: 0,
      state: { term: term(1), vote: undefined, repairing: undefined },
      statusLost: false,
      log: {
        purged: { index: index(0), term: term(0) },
        termRuns: [{ from: index(1), term: term(1) }],
        sizes: [50, 50],
      },
      configurations: [
        { index: 0, configuration: newConfiguration({ voters: ids(1, 2) }) },
        { index: 2, configuration: newConfiguration({ voters: ids(2) }) },
      ],
      commit: index(2),
      applied: index(0),
    });
    raft.step(raft.nextTickMs, { type: 'tick' });
    expect(raft.role).toBe('follower');
  });
});

describe('snapshots that race', () => {
  it('an empty follower of a leader whose log is purged gets the snapshot', () => {
    const cluster = new TestCluster({ voters: 3 });
    cluster.isolate(3);
    cluster.elect(1);
    cluster.propose(1, 20);
    cluster.settle();
    cluster.compact(1);
    cluster.heal();
    cluster.run(2000);
    expect(cluster.raft(3).commit).toBe(cluster.raft(1).commit);
  });

  it('a new leader finds an empty follower far below its purge mark', () => {
    const cluster = new TestCluster({ voters: 3 });
    cluster.isolate(3);
    cluster.elect(1);
    cluster.propose(1, 20);
    cluster.settle();
    cluster.run(200);
    for (const id of [1, 2]) cluster.compact(id);
    cluster.crash(1);
    cluster.restart(1);
    cluster.elect(2);
    cluster.run(2000);
    cluster.heal();
    cluster.crash(1);
    cluster.run(5000);
    expect(cluster.raft(3).commit).toBe(cluster.raft(2).commit);
  });

  it('an install that outlives its leader is not asked for again by the next one', () => {
    const cluster = new TestCluster({ voters: 5 });
    cluster.isolate(3);
    cluster.elect(1);
    cluster.propose(1, 20);
    cluster.run(200);
    for (const id of [1, 2]) cluster.compact(id);
    cluster.heal();
    cluster.holdSyncs(3);
    cluster.run(200);
    expect(cluster.raft(3).status().last.index).toBe(21);
    cluster.crash(1);
    cluster.timeOut(2);
    cluster.run(2000);
    expect(cluster.leaders.map((one) => one.id)).toEqual(ids(2));
    cluster.releaseSyncs(3);
    cluster.run(2000);
    expect(cluster.raft(3).commit).toBe(cluster.raft(2).commit);
    const again = cluster.sent.filter((one) => one.type === 'install-snapshot' && one.from === 2n);
    expect(again).toEqual([]);
  });
});

describe('two faults of one member', () => {
  it('a member that was repairing when it lost its status gives no vote for what it has lost', () => {
    const cluster = new TestCluster({ voters: 3 });
    cluster.isolate(3);
    cluster.elect(1);
    cluster.propose(1, 5);
    cluster.run(200);
    expect(cluster.raft(2).commit).toBe(6);
    cluster.crash(2);
    cluster.member(2).entries = [];
    cluster.member(2).synced = 0;
    cluster.restart(2, { repairing: true });
    cluster.crash(2);
    cluster.member(2).state = { term: term(0), vote: undefined, repairing: undefined };
    cluster.restart(2, { statusLost: true });
    // It hears their terms, and nothing of the log.
    cluster.heal();
    for (let round = 0; round < 40; round += 1) {
      cluster.passTime(5);
      cluster.deliver(({ type }) => type === 'term-request' || type === 'term-response');
    }
    cluster.network = [];
    cluster.crash(1);
    cluster.run(10_000);
    expect(cluster.leaders).toEqual([]);
    cluster.restart(1);
    cluster.heal();
    cluster.run(5000);
    expect(cluster.leaders.map((one) => one.id)).toEqual(ids(1));
    expect(cluster.raft(2).status()).toMatchObject({ repairing: false, statusLost: false });
  });

  it('two of five that lost their status do not wait for each other, and vote in no old term', () => {
    const cluster = new TestCluster({ voters: 5 });
    cluster.elect(1);
    cluster.propose(1, 3);
    cluster.run(200);
    const before = cluster.raft(3).term;
    for (const id of [4, 5]) cluster.crash(id);
    for (const id of [4, 5]) {
      cluster.member(id).state = { term: term(0), vote: undefined, repairing: undefined };
      cluster.restart(id, { statusLost: true });
    }
    cluster.run(5000);
    for (const id of [4, 5]) {
      const status = cluster.raft(id).status();
      expect(status).toMatchObject({ statusLost: false, repairing: false });
      expect(status.term).toBeGreaterThan(before);
    }
  });

  it('a majority that lost its status proves nothing, says who, and gives no vote', () => {
    const cluster = new TestCluster({ voters: 3 });
    cluster.elect(1);
    cluster.run(200);
    for (const id of [2, 3]) cluster.crash(id);
    for (const id of [2, 3]) {
      cluster.member(id).state = { term: term(0), vote: undefined, repairing: undefined };
      cluster.restart(id, { statusLost: true });
    }
    cluster.run(10_000);
    expect(cluster.leaders).toEqual([]);
    expect(cluster.raft(2).status()).toMatchObject({ statusLost: true, unheardVoters: ids(3) });
    expect(cluster.raft(3).status()).toMatchObject({ statusLost: true, unheardVoters: ids(2) });
  });
});
