// The Raft thesis (Ongaro, 2014), section by section: each test shows one rule at work in this
// core. Method: a few cores whose time, network and syncs the test moves by hand (test-cluster.ts).
import { index, memberId } from '@holdfast/base/ids';
import { describe, expect, it } from 'vitest';
import type { Message } from './message.ts';
import { TestCluster } from './test-cluster.ts';

const ids = (...list: number[]) => list.map((one) => memberId(BigInt(one)));
const committed = (cluster: TestCluster) =>
  [...cluster.members.values()].map((one) => Number(one.raft.commit));
const logTerms = (cluster: TestCluster, id: number) =>
  cluster.member(id).entries.map((entry) => Number(entry.term));
const sentOf = <T extends Message['type']>(cluster: TestCluster, type: T) =>
  cluster.sent.filter((message): message is Extract<Message, { type: T }> => message.type === type);

describe('3.3 terms', () => {
  it('a member that sees a newer term becomes a follower in it, and saves it before it answers', () => {
    const cluster = new TestCluster({ voters: 3 });
    cluster.elect(1);
    cluster.holdSyncs(1);
    cluster.step(1, {
      type: 'message',
      message: {
        type: 'append-entries',
        from: memberId(2n),
        to: memberId(1n),
        term: 9 as never,
        previous: { index: index(0), term: 0 as never },
        entries: [],
        commit: index(0),
        isNotice: false,
      },
    });
    expect(cluster.raft(1).role).toBe('follower');
    expect(cluster.raft(1).term).toBe(9);
    expect(cluster.network.filter((one) => one.from === 1n && one.term === 9)).toEqual([]);
    cluster.releaseSyncs(1);
    expect(cluster.network.filter((one) => one.from === 1n && one.term === 9)).toHaveLength(1);
  });

  it('a message of an older term changes nothing and is told the newer one', () => {
    const cluster = new TestCluster({ voters: 3, terms: [5, 5, 5] });
    cluster.step(1, {
      type: 'message',
      message: {
        type: 'heartbeat',
        from: memberId(2n),
        to: memberId(1n),
        term: 3 as never,
        commit: index(0),
        round: 1,
        freshStampMs: 0,
        freshCommit: index(0),
      },
    });
    expect(cluster.raft(1).leader).toBeUndefined();
    expect(cluster.network).toMatchObject([
      { type: 'heartbeat-response', to: 2n, term: 5, round: 0 },
    ]);
  });
});

describe('3.4 leader election', () => {
  it('a follower that hears nobody becomes candidate, and leader by a majority', () => {
    const cluster = new TestCluster({ voters: 3 });
    cluster.elect(2);
    expect(cluster.leaders.map((one) => one.id)).toEqual(ids(2));
    expect(committed(cluster)).toEqual([1, 1, 1]);
  });

  it('a vote is given once a term, to the first who asks', () => {
    const cluster = new TestCluster({ voters: 3 });
    const ask = (from: bigint) =>
      cluster.step(3, {
        type: 'message',
        message: {
          type: 'vote-request',
          from: memberId(from),
          to: memberId(3n),
          term: 1 as never,
          lastLog: { index: index(0), term: 0 as never },
          transfer: false,
        },
      });
    ask(1n);
    ask(2n);
    ask(1n);
    expect(sentOf(cluster, 'vote-response').map((one) => [one.to, one.granted])).toEqual([
      [1n, true],
      [2n, false],
      [1n, true],
    ]);
  });

  it('a vote leaves only after it is saved (a crash then forgets no promise)', () => {
    const cluster = new TestCluster({ voters: 3 });
    cluster.holdSyncs(3);
    cluster.timeOut(1);
    cluster.settle();
    expect(cluster.leaders.map((one) => one.id)).toEqual(ids(1));
    expect(sentOf(cluster, 'vote-response').filter((one) => one.from === 3n)).toEqual([]);
    cluster.crash(3);
    cluster.restart(3);
    expect(cluster.raft(3).term).toBe(0);
  });

  it('a candidate does not lead before its own vote is saved', () => {
    const cluster = new TestCluster({ voters: 3 });
    cluster.timeOut(1);
    cluster.holdSyncs(1);
    cluster.settle();
    expect(cluster.leaders).toEqual([]);
    cluster.releaseSyncs(1);
    cluster.settle();
    expect(cluster.leaders.map((one) => one.id)).toEqual(ids(1));
  });

  it('a split vote is tried again within the short retry, until one wins (C-08)', () => {
    const cluster = new TestCluster({ voters: 4 });
    const bothAsk = () => {
      cluster.timeOut(1);
      cluster.timeOut(2);
    };
    bothAsk();
    cluster.run(2000);
    expect(cluster.leaders).toHaveLength(1);
    expect(new Set([...cluster.members.values()].map((one) => one.raft.leader)).size).toBe(1);
  });

  it('an append of a live leader and a granted vote reset the timer, a refused vote does not (C-09)', () => {
    const cluster = new TestCluster({ voters: 3, logs: [[1], [1], [1]] });
    const before = cluster.raft(3).nextTickMs;
    cluster.nowMs = 100;
    const ask = (lastTerm: number, term: number) =>
      cluster.step(3, {
        type: 'message',
        message: {
          type: 'vote-request',
          from: memberId(1n),
          to: memberId(3n),
          term: term as never,
          lastLog: { index: index(1), term: lastTerm as never },
          transfer: false,
        },
      });
    ask(0, 2);
    expect(cluster.raft(3).nextTickMs).toBe(before);
    ask(1, 3);
    expect(cluster.raft(3).nextTickMs).not.toBe(before);
  });
});

describe('3.5 log replication', () => {
  it('an entry is committed when a majority has synced it, and the others learn of it', () => {
    const cluster = new TestCluster({ voters: 3 });
    cluster.elect(1);
    cluster.propose(1);
    cluster.settle();
    expect(committed(cluster)).toEqual([2, 2, 2]);
  });

  it('a follower that has not synced an entry has not acknowledged it', () => {
    const cluster = new TestCluster({ voters: 3 });
    cluster.elect(1);
    cluster.holdSyncs(2);
    cluster.holdSyncs(3);
    cluster.propose(1);
    cluster.settle();
    expect(cluster.raft(1).commit).toBe(1);
    cluster.releaseSyncs(3);
    cluster.settle();
    expect(cluster.raft(1).commit).toBe(2);
  });

  it('a leader counts itself only for what it has synced, yet replicates before that (10.2.1)', () => {
    const cluster = new TestCluster({ voters: 3 });
    cluster.elect(1);
    cluster.isolate(3);
    cluster.holdSyncs(1);
    cluster.propose(1);
    cluster.settle();
    expect(cluster.member(2).entries).toHaveLength(2);
    expect(cluster.raft(1).commit).toBe(1);
    cluster.releaseSyncs(1);
    cluster.settle();
    expect(cluster.raft(1).commit).toBe(2);
  });

  // Figure 3.6: six followers whose logs differ from the leader's in every way.
  it('the leader makes every log of figure 3.6 equal to its own', () => {
    const leader = [1, 1, 1, 4, 4, 5, 5, 6, 6, 6];
    const cluster = new TestCluster({
      voters: 7,
      logs: [
        leader,
        [1, 1, 1, 4, 4, 5, 5, 6, 6],
        [1, 1, 1, 4],
        [1, 1, 1, 4, 4, 5, 5, 6, 6, 6, 6],
        [1, 1, 1, 4, 4, 5, 5, 6, 6, 6, 7, 7],
        [1, 1, 1, 4, 4, 4, 4],
        [1, 1, 1, 2, 2, 2, 3, 3, 3, 3, 3],
      ],
      terms: [7, 7, 7, 7, 7, 7, 7],
    });
    cluster.elect(1);
    cluster.settle();
    for (const id of [1, 2, 3, 4, 5, 6, 7]) expect(logTerms(cluster, id)).toEqual([...leader, 8]);
  });

  it('a follower 100,000 entries apart is found in differing terms + 2 round trips (C-10)', () => {
    const shared = Array.from({ length: 1000 }, () => 1);
    const terms = [2, 3, 4, 5, 6];
    const stale = [...shared, ...terms.flatMap((one) => Array.from({ length: 20_000 }, () => one))];
    const ahead = [...shared, ...Array.from({ length: 100_000 }, () => 9)];
    const cluster = new TestCluster({ voters: 3, logs: [ahead, ahead, stale], terms: [9, 9, 9] });
    cluster.elect(1);
    cluster.settle();
    const rejections = sentOf(cluster, 'append-entries-response').filter(
      (one) => one.from === 3n && one.result === 'rejected',
    );
    expect(rejections.length).toBeLessThanOrEqual(terms.length + 2);
    expect(cluster.raft(3).commit).toBe(cluster.raft(1).commit);
  });
});

describe('3.6 safety', () => {
  it('3.6.1 a voter refuses a candidate whose log is older, by term first, then by length', () => {
    const cluster = new TestCluster({
      voters: 3,
      logs: [
        [1, 1, 1],
        [1, 2],
        [1, 2, 2],
      ],
    });
    cluster.timeOut(2);
    cluster.deliver();
    const answers = sentOf(cluster, 'pre-vote-response').map((one) => [one.from, one.granted]);
    expect(answers).toEqual([
      [1n, true],
      [3n, false],
    ]);
  });

  // Figure 3.7 ("Figure 8" of the paper): an entry of an older term on a majority is not yet
  // committed.
  it('3.6.2 an old entry on a majority is committed only with one of the own term (C-03)', () => {
    const cluster = new TestCluster({
      voters: 5,
      logs: [[1, 2], [1, 2], [1], [1], [1, 3]],
      terms: [3, 3, 3, 3, 3],
    });
    for (const id of [4, 5]) cluster.isolate(id);
    cluster.timeOut(1);
    while (cluster.raft(1).role !== 'leader') cluster.deliver();
    // Its first entry of term 4 gets synced nowhere but on itself...
    cluster.holdSyncs(2);
    cluster.holdSyncs(3);
    cluster.settle();
    cluster.member(3).synced = 2;
    cluster.step(3, { type: 'persisted', log: { index: index(2), term: 2 as never } });
    cluster.settle();
    expect(
      cluster
        .raft(1)
        .status()
        .peers.find((one) => one.id === 3n)?.match,
    ).toBe(2);
    // ...while entry 2 of term 2 stands, synced, on a majority: 1, 2 and 3.
    expect(cluster.raft(1).commit).toBe(0);
    cluster.releaseSyncs(2);
    cluster.releaseSyncs(3);
    cluster.settle();
    expect(cluster.raft(1).commit).toBe(3);
  });

  it('a leader never commits by counting copies of an older term', () => {
    const cluster = new TestCluster({
      voters: 3,
      logs: [[1, 2], [1, 2], [1]],
      terms: [3, 3, 3],
      settings: { appendCountMax: 1 },
    });
    cluster.elect(1);
    const commits = sentOf(cluster, 'append-entries').map((one) => Number(one.commit));
    expect(new Set(commits)).toEqual(new Set([0, 3]));
  });
});

describe('3.7, 3.8 crashes and what is persistent', () => {
  it('a synced entry and a vote survive a power loss; a sync that did not end promises nothing', () => {
    const cluster = new TestCluster({ voters: 3 });
    cluster.elect(1);
    cluster.propose(1);
    cluster.settle();
    cluster.holdSyncs(2);
    cluster.propose(1);
    cluster.settle();
    cluster.crash(2);
    cluster.restart(2);
    expect(cluster.member(2).entries).toHaveLength(2);
    expect(cluster.member(2).state.vote).toBe(1n);
    cluster.step(1, { type: 'peer-unreachable', peer: memberId(2n), refused: false });
    cluster.run(400);
    expect(cluster.raft(2).commit).toBe(3);
  });

  it('a leader that was cut off follows the new one, and its own entries vanish (C-12)', () => {
    const cluster = new TestCluster({ voters: 3 });
    cluster.elect(1);
    cluster.isolate(1);
    cluster.propose(1, 3);
    cluster.run(2500);
    const [leader] = cluster.leaders;
    expect(leader?.id).not.toBe(1n);
    expect(cluster.raft(1).role).not.toBe('leader');
    cluster.propose(Number(leader?.id));
    cluster.heal();
    cluster.run(2500);
    expect(logTerms(cluster, 1)).toEqual(logTerms(cluster, 2));
    expect(cluster.raft(1).commit).toBe(cluster.raft(2).commit);
  });

  it('with no majority on either side nobody leads and nothing is committed; healed, one does (C-13)', () => {
    const cluster = new TestCluster({ voters: 4 });
    cluster.elect(1);
    for (const [a, b] of [
      [1, 3],
      [1, 4],
      [2, 3],
      [2, 4],
    ] as const) {
      cluster.cut(a, b);
      cluster.cut(b, a);
    }
    cluster.run(3000);
    expect(cluster.leaders).toEqual([]);
    const before = committed(cluster);
    cluster.propose(1);
    cluster.run(1000);
    expect(committed(cluster)).toEqual(before);
    cluster.heal();
    cluster.run(2000);
    expect(cluster.leaders).toHaveLength(1);
    expect(new Set(committed(cluster)).size).toBe(1);
  });
});

describe('3.10 leadership transfer', () => {
  it('the target catches up, campaigns at once, and the voters do not defend the old leader', () => {
    const cluster = new TestCluster({ voters: 3 });
    cluster.elect(1);
    cluster.propose(1, 5);
    cluster.step(1, { type: 'transfer-leadership', to: memberId(3n) });
    cluster.settle();
    expect(cluster.leaders.map((one) => one.id)).toEqual(ids(3));
    expect(cluster.raft(3).term).toBe(2);
  });

  it('proposals are refused while it lasts, and taken again when the target does not come', () => {
    const cluster = new TestCluster({ voters: 3 });
    cluster.elect(1);
    cluster.isolate(3);
    cluster.propose(1);
    cluster.step(1, { type: 'transfer-leadership', to: memberId(3n) });
    cluster.propose(1);
    expect(cluster.answers[cluster.answers.length - 1]).toMatch(/refused transferring/);
    cluster.run(1300);
    cluster.propose(1);
    expect(cluster.answers[cluster.answers.length - 1]).toMatch(/appended/);
  });
});

describe('4 membership', () => {
  it('4.2.1 a learner catches up without a vote, then joins by a joint configuration (4.3)', () => {
    const cluster = new TestCluster({ voters: 3 });
    cluster.elect(1);
    cluster.propose(1, 10);
    cluster.change(1, [1, 2, 3], [4]);
    cluster.settle();
    expect(cluster.raft(4).commit).toBe(cluster.raft(1).commit);
    expect(cluster.raft(4).status().isVoter).toBe(false);
    cluster.change(1, [1, 2, 3, 4]);
    cluster.settle();
    expect(cluster.raft(4).status().configuration).toEqual({
      voters: ids(1, 2, 3, 4),
      votersOutgoing: [],
      learners: [],
    });
  });

  it('4.3 while joint, both majorities must agree', () => {
    const cluster = new TestCluster({ voters: 3 });
    cluster.elect(1);
    for (const id of [2, 3]) cluster.isolate(id);
    cluster.change(1, [1, 4, 5]);
    cluster.settle();
    expect(cluster.raft(1).commit).toBe(1);
    cluster.heal();
    cluster.run(400);
    expect(cluster.raft(4).status().configuration.voters).toEqual(ids(1, 4, 5));
  });

  it('one change at a time; replacing all voters but one in a single step works', () => {
    const cluster = new TestCluster({ voters: 3 });
    cluster.elect(1);
    cluster.change(1, [1, 4, 5]);
    cluster.change(1, [1, 2]);
    expect(cluster.answers.some((one) => one.endsWith('refused change-in-flight'))).toBe(true);
    cluster.settle();
    expect(cluster.raft(1).status().configuration.voters).toEqual(ids(1, 4, 5));
  });

  it('4.2.2 a leader that removes itself leaves office when the change is committed', () => {
    const cluster = new TestCluster({ voters: 3 });
    cluster.elect(1);
    cluster.change(1, [2, 3]);
    cluster.run(2000);
    expect(cluster.raft(1).role).toBe('follower');
    expect(cluster.leaders.map((one) => one.id)).not.toContain(1n);
    expect(cluster.leaders).toHaveLength(1);
  });

  it('a configuration that is truncated with its entry is no longer in force', () => {
    const cluster = new TestCluster({ voters: 3 });
    cluster.elect(1);
    cluster.isolate(1);
    cluster.change(1, [1, 2, 3, 4, 5]);
    expect(cluster.raft(1).status().configuration.votersOutgoing).toEqual(ids(1, 2, 3));
    cluster.run(2500);
    cluster.heal();
    cluster.run(2500);
    expect(cluster.raft(1).status().configuration.voters).toEqual(ids(1, 2, 3));
  });

  it('4.2.3 a voter that hears a live leader ignores a candidate, and keeps its term', () => {
    const cluster = new TestCluster({ voters: 3 });
    cluster.elect(1);
    cluster.step(2, {
      type: 'message',
      message: {
        type: 'vote-request',
        from: memberId(3n),
        to: memberId(2n),
        term: 7 as never,
        lastLog: { index: index(99), term: 6 as never },
        transfer: false,
      },
    });
    expect(cluster.raft(2).term).toBe(1);
    expect(cluster.network).toEqual([]);
  });
});

describe('5 log compaction', () => {
  it('a follower behind the purged log gets a snapshot, then the entries after it (C-16)', () => {
    const cluster = new TestCluster({ voters: 3 });
    cluster.elect(1);
    cluster.isolate(3);
    cluster.propose(1, 10);
    cluster.settle();
    cluster.compact(1);
    cluster.propose(1, 2);
    cluster.settle();
    cluster.heal();
    cluster.run(1500);
    expect(cluster.member(3).purged.index).toBe(11);
    expect(cluster.raft(3).commit).toBe(cluster.raft(1).commit);
    expect(logTerms(cluster, 3)).toEqual([1, 1]);
  });

  it('an older snapshot is refused: the log already reaches further', () => {
    const cluster = new TestCluster({ voters: 3 });
    cluster.elect(1);
    cluster.propose(1, 5);
    cluster.settle();
    cluster.step(2, {
      type: 'message',
      message: {
        type: 'install-snapshot',
        from: memberId(1n),
        to: memberId(2n),
        term: 1 as never,
        snapshot: {
          last: { index: index(3), term: 1 as never },
          configuration: { voters: ids(1, 2, 3), votersOutgoing: [], learners: [] },
        },
      },
    });
    expect(cluster.member(2).purged.index).toBe(0);
    expect(cluster.raft(2).commit).toBe(6);
  });
});

describe('6.4 linearizable reads', () => {
  it('a read waits for a round that starts after it, and for an entry of the own term (safety 13)', () => {
    const cluster = new TestCluster({ voters: 3 });
    cluster.timeOut(1);
    while (cluster.raft(1).role !== 'leader') cluster.deliver();
    const read = cluster.read(1);
    expect(cluster.reads).toEqual([]);
    cluster.settle();
    expect(cluster.reads).toEqual([{ member: 1n, id: read, index: 1 }]);
  });

  it('answers to a round that began before the read do not confirm it', () => {
    const cluster = new TestCluster({ voters: 3 });
    cluster.elect(1);
    cluster.read(1);
    cluster.deliver((one) => one.type === 'heartbeat');
    const late = cluster.read(1);
    cluster.deliver((one) => one.type === 'heartbeat-response');
    expect(cluster.reads.map((one) => one.id)).not.toContain(late);
    cluster.settle();
    expect(cluster.reads.map((one) => one.id)).toContain(late);
  });

  it('a leader that is cut off confirms no read, and says so when it steps down', () => {
    const cluster = new TestCluster({ voters: 3 });
    cluster.elect(1);
    cluster.isolate(1);
    const read = cluster.read(1);
    cluster.run(1500);
    expect(cluster.reads).toEqual([{ member: 1n, id: read, index: undefined }]);
  });

  it('a follower asks the leader for the index', () => {
    const cluster = new TestCluster({ voters: 3 });
    cluster.elect(1);
    cluster.propose(1, 4);
    cluster.settle();
    cluster.read(2);
    cluster.settle();
    expect(cluster.reads).toMatchObject([{ member: 2n, index: 5 }]);
  });
});

describe('9.6 pre-vote and check-quorum', () => {
  it('a member that was cut off does not raise the term, and disturbs nobody when it is back', () => {
    const cluster = new TestCluster({ voters: 3 });
    cluster.elect(1);
    cluster.isolate(3);
    cluster.run(7000);
    expect(cluster.raft(3).term).toBe(1);
    cluster.heal();
    cluster.run(2000);
    expect(cluster.leaders.map((one) => one.id)).toEqual(ids(1));
    expect(cluster.raft(1).term).toBe(1);
    expect(cluster.raft(3).leader).toBe(1n);
  });

  it('a leader that reaches no majority gives up within the quorum timeout, and says so', () => {
    const cluster = new TestCluster({ voters: 3 });
    cluster.elect(1);
    cluster.cut(2, 1);
    cluster.cut(3, 1);
    cluster.run(cluster.settings.quorumTimeoutMs + 2 * cluster.settings.heartbeatMs);
    expect(sentOf(cluster, 'resigned').map((one) => one.to)).toEqual(ids(2, 3));
    expect(cluster.raft(1).role).not.toBe('leader');
  });

  it('a voter with the longer log that hears no leader campaigns at once (safety 11)', () => {
    const cluster = new TestCluster({ voters: 3, logs: [[1], [1, 1], [1]] });
    cluster.isolate(3);
    cluster.timeOut(1);
    cluster.settle();
    expect(cluster.leaders.map((one) => one.id)).toEqual(ids(2));
  });

  it('a refused connection to the leader brings pre-votes within 50 ms (safety 12)', () => {
    const cluster = new TestCluster({ voters: 3 });
    cluster.elect(1);
    cluster.crash(1);
    for (const id of [2, 3]) {
      cluster.step(id, { type: 'peer-unreachable', peer: memberId(1n), refused: true });
    }
    cluster.run(100);
    expect(cluster.leaders).toHaveLength(1);
  });

  it('a broken link that is not refused changes nothing', () => {
    const cluster = new TestCluster({ voters: 3 });
    cluster.elect(1);
    cluster.step(2, { type: 'peer-unreachable', peer: memberId(1n), refused: false });
    cluster.run(400);
    expect(cluster.leaders.map((one) => one.id)).toEqual(ids(1));
    expect(cluster.raft(1).term).toBe(1);
  });
});

describe('safety.md 4 and 5: members that must not promise', () => {
  it('a repairing member takes entries, counts for nothing, and votes again at its target', () => {
    const cluster = new TestCluster({ voters: 3 });
    cluster.elect(1);
    cluster.propose(1, 5);
    cluster.settle();
    cluster.crash(3);
    cluster.member(3).entries = cluster.member(3).entries.slice(0, 2);
    cluster.member(3).synced = 2;
    cluster.restart(3, { repairing: true });
    cluster.isolate(2);
    cluster.holdSyncs(3);
    cluster.propose(1);
    cluster.run(400);
    expect(
      cluster
        .raft(1)
        .status()
        .peers.find((one) => one.id === 3n),
    ).toMatchObject({ match: 0, repairing: true });
    expect(cluster.raft(1).commit).toBe(6);
    cluster.releaseSyncs(3);
    cluster.run(400);
    expect(cluster.raft(3).status().repairing).toBe(false);
    expect(cluster.member(3).savedState.repairing).toBeUndefined();
    expect(cluster.raft(1).commit).toBe(7);
  });

  it('a member that comes back with an older copy of its log counts no more, and is filled again', () => {
    const cluster = new TestCluster({ voters: 3 });
    cluster.elect(1);
    cluster.propose(1, 5);
    cluster.settle();
    cluster.crash(3);
    cluster.member(3).entries = cluster.member(3).entries.slice(0, 2);
    cluster.member(3).synced = 2;
    cluster.restart(3);
    cluster.isolate(2);
    cluster.holdSyncs(3);
    cluster.step(1, { type: 'peer-unreachable', peer: memberId(3n), refused: false });
    cluster.run(400);
    expect(
      cluster
        .raft(1)
        .status()
        .peers.find((one) => one.id === 3n)?.match,
    ).toBeLessThan(3);
    cluster.releaseSyncs(3);
    cluster.run(400);
    expect(cluster.member(3).entries).toHaveLength(6);
    expect(cluster.raft(3).commit).toBe(6);
  });

  it('a repairing member gives no vote and does not campaign', () => {
    const cluster = new TestCluster({ voters: 3 });
    cluster.crash(3);
    cluster.restart(3, { repairing: true });
    cluster.isolate(2);
    cluster.run(5000);
    expect(cluster.leaders).toEqual([]);
  });

  it('a member without its status abstains until it has heard all others, then starts above them', () => {
    const cluster = new TestCluster({ voters: 3, terms: [6, 4, 0] });
    cluster.crash(3);
    cluster.isolate(2);
    cluster.restart(3, { statusLost: true });
    cluster.run(3000);
    expect(cluster.leaders).toEqual([]);
    expect(cluster.raft(3).status().statusLost).toBe(true);
    cluster.heal();
    cluster.run(3000);
    expect(cluster.raft(3).status().statusLost).toBe(false);
    expect(cluster.raft(3).term).toBeGreaterThan(6);
    expect(cluster.leaders).toHaveLength(1);
  });
});

describe('bounds', () => {
  it('proposals beyond the uncommitted limit are refused', () => {
    const cluster = new TestCluster({ voters: 3, settings: { uncommittedBytesMax: 200 } });
    cluster.elect(1);
    cluster.isolate(1);
    cluster.propose(1, 20);
    expect(
      cluster.answers.filter((one) => one.includes('refused uncommitted-full')).length,
    ).toBeGreaterThan(10);
  });

  it('the pipeline stops at its limits and goes on with the answers', () => {
    const cluster = new TestCluster({
      voters: 3,
      settings: { inflightCountMax: 2, appendCountMax: 1 },
    });
    cluster.elect(1);
    cluster.network = [];
    cluster.propose(1, 10);
    const toTwo = cluster.network.filter((one) => one.type === 'append-entries' && one.to === 2n);
    expect(toTwo).toHaveLength(2);
    cluster.settle();
    expect(cluster.raft(1).commit).toBe(11);
  });
});
