// Goal: a core that is captured and resumed goes on exactly as the captured one, whatever it was in
// the middle of. Method: random runs of a test cluster; at a random step a member gets a twin from
// its capture, after which each input goes to both, and both must give equal Readys and stay equal
// in every field. At the end the runs together must have captured every state that a core can have.
import { index, memberId, requestId } from '@holdfast/base/ids';
import { SeededRandom } from '@holdfast/base/seeded-random';
import { describe, expect, it } from 'vitest';
import { Core } from './core.ts';
import type { CoreCapture } from './core-capture.ts';
import type { Input } from './input.ts';
import { Progress } from './progress.ts';
import { Raft } from './raft.ts';
import type { Ready } from './ready.ts';
import { TestCluster } from './test-cluster.ts';

const text = (value: unknown): string =>
  JSON.stringify(value, (_, one) => {
    if (typeof one === 'bigint') return `${one}n`;
    return one === Number.NEGATIVE_INFINITY ? '-Infinity' : one;
  });

type Chance = (capture: CoreCapture) => boolean;

/** Gives `raft` a twin whenever chance says so, and checks that the twin does as it does. */
function watch(raft: Raft, isTime: Chance): void {
  let twin: Raft | undefined;
  const step = raft.step.bind(raft);
  const ready = raft.ready.bind(raft);
  raft.step = (nowMs: number, input: Input): void => {
    step(nowMs, input);
    twin?.step(nowMs, input);
  };
  raft.ready = (): Ready => {
    const own = ready();
    if (twin) {
      expect(text(twin.ready())).toBe(text(own));
      expect(text(twin.capture())).toBe(text(raft.capture()));
      expect([twin.describe(), twin.nextTickMs]).toEqual([raft.describe(), raft.nextTickMs]);
    }
    const capture = raft.capture();
    if (isTime(capture)) {
      twin = Raft.resume(structuredClone(capture));
      expect(text(twin.capture())).toBe(text(capture));
    }
    return own;
  };
}

/** What a captured core was in the middle of. */
function situationsOf(capture: CoreCapture): readonly string[] {
  const { role, fields, held, configurations, heardTerms } = capture;
  const found: string[] = [role.name];
  const leader = role.name === 'leader' ? role.leader : undefined;
  const progress = leader?.progress.map(([, one]) => one) ?? [];
  const facts: Readonly<Record<string, boolean>> = {
    rounds: (leader?.rounds.length ?? 0) > 0,
    'waiting-reads': (leader?.waitingReads.length ?? 0) > 0,
    transfer: leader?.transfer !== undefined,
    'change-request': leader?.changeRequest !== undefined,
    inflight: progress.some((one) => one.inflight.length > 0),
    'repair-target': progress.some((one) => one.repairTarget !== undefined),
    paced: progress.some((one) => one.isSpare && one.pacedUntilMs > fields.nowMs),
    stamps: progress.some((one) => one.stamp !== undefined && one.laterStamp !== undefined),
    'peer-snapshot': progress.some((one) => one.state.name === 'snapshot'),
    joint: configurations.some(({ configuration }) => configuration.votersOutgoing.length > 0),
    held: held.length > 0,
    'forwarded-reads': fields.forwardedReads.length > 0,
    installing: fields.installing !== undefined,
    repairing: fields.hardState.repairing !== undefined,
    'status-lost': heardTerms !== undefined,
    purged: capture.log.purged.index > 0,
    unsynced: capture.log.persisted < capture.log.purged.index + capture.log.sizes.length,
  };
  for (const [name, holds] of Object.entries(facts)) if (holds) found.push(name);
  return found;
}

const everything = [
  ...['follower', 'pre-candidate', 'candidate', 'leader', 'rounds', 'waiting-reads', 'transfer'],
  ...['change-request', 'inflight', 'repair-target', 'stamps', 'peer-snapshot', 'joint', 'held'],
  ...['forwarded-reads', 'installing', 'repairing', 'status-lost', 'purged', 'unsynced', 'paced'],
];

const size = 5;

/** One thing that can happen to a cluster, chosen by chance. */
function happen(cluster: TestCluster, random: SeededRandom): void {
  const id = random.integer(1, size + 1);
  const member = cluster.member(id);
  const other = memberId(BigInt(random.integer(1, size + 1)));
  const actions: readonly (() => void)[] = [
    () => cluster.propose(id, random.integer(1, 20)),
    () => cluster.propose(leaderOf(cluster) ?? id, random.integer(1, 20)),
    () => cluster.read(id),
    () => cluster.read(leaderOf(cluster) ?? id),
    () => cluster.step(id, { type: 'transfer-leadership', to: other }),
    () => cluster.step(leaderOf(cluster) ?? id, { type: 'transfer-leadership', to: other }),
    () => cluster.change(leaderOf(cluster) ?? id, pickVoters(random)),
    () => cluster.step(id, { type: 'peer-unreachable', peer: other, refused: id % 2 === 0 }),
    () => cluster.holdSyncs(id),
    () => cluster.holdSyncs(leaderOf(cluster) ?? id),
    () => cluster.releaseSyncs(id),
    () => cluster.releaseSyncs(id),
    () => cluster.isolate(id),
    () => cluster.heal(),
    () => cluster.heal(),
    () => compact(cluster, id),
    () => compact(cluster, leaderOf(cluster) ?? id),
    () => restart(cluster, random, id),
    () => fallBehind(cluster, id),
    () => (member.isDown ? undefined : cluster.timeOut(id)),
    () => cluster.step(id, { type: 'resign' }),
  ];
  actions[random.integer(0, actions.length)]?.();
}

const leaderOf = (cluster: TestCluster): number | undefined => {
  const [leader] = cluster.leaders;
  return leader && Number(leader.id);
};

function pickVoters(random: SeededRandom): readonly number[] {
  const voters = [1, 2, 3, 4, 5].filter(() => random.fraction() < 0.8);
  return voters.length > 0 ? voters : [1];
}

function compact(cluster: TestCluster, id: number): void {
  const member = cluster.member(id);
  if (member.isDown || member.holdsSyncs || member.applied.length === 0) return;
  const last = member.applied[member.applied.length - 1]?.index ?? 0;
  if (last > member.purged.index) cluster.compact(id);
}

function restart(cluster: TestCluster, random: SeededRandom, id: number): void {
  const chance = random.fraction();
  cluster.crash(id);
  cluster.restart(id, { repairing: chance < 0.4, statusLost: chance > 0.7 });
}

/** It misses so much that only a snapshot helps, and its disk is slow to take that in. */
function fallBehind(cluster: TestCluster, id: number): void {
  const leader = leaderOf(cluster);
  if (leader === undefined || leader === id) return;
  cluster.isolate(id);
  cluster.propose(leader, 20);
  cluster.run(150);
  compact(cluster, leader);
  cluster.heal();
  if (!cluster.member(id).isDown) cluster.holdSyncs(id);
  cluster.run(300);
}

function pass(cluster: TestCluster, random: SeededRandom): void {
  cluster.passTime(random.integer(1, 120));
  const share = random.fraction();
  for (let round = random.integer(0, 6); round > 0; round -= 1) {
    cluster.deliver(() => random.fraction() < share);
  }
  if (random.fraction() < 0.05) cluster.run(400);
}

function runOnce(seed: number, seen: Set<string>): void {
  const random = new SeededRandom(seed);
  const settings = {
    inflightCountMax: 4,
    idleCommitMs: seed % 3 === 0 ? 300 : 0,
    commitNoticeMs: seed % 2 === 0 ? 40 : 0,
    spareAppendMs: seed % 3 === 0 ? 200 : 0,
  };
  const cluster = new TestCluster({ voters: size, settings });
  const watched = new Set<Raft>();
  const isTime: Chance = (capture) => {
    const found = situationsOf(capture);
    const isNew = found.some((name) => !seen.has(name));
    for (const name of found) seen.add(name);
    return isNew || random.fraction() < 0.02;
  };
  for (let round = 0; round < 80; round += 1) {
    for (const { raft } of cluster.members.values()) {
      if (!watched.has(raft)) watch(raft, isTime);
      watched.add(raft);
    }
    if (round === 0 && seed % 2 === 0) cluster.elect(1);
    if (random.fraction() < 0.6) happen(cluster, random);
    pass(cluster, random);
  }
}

const pickKeys = (from: object, names: readonly (readonly [string, unknown])[]): object =>
  Object.fromEntries(names.map(([name]) => [name, Reflect.get(from, name)]));

describe('a captured core', () => {
  it('goes on as its twin, from whatever it was in the middle of', () => {
    const seen = new Set<string>();
    for (let seed = 1; seed <= 30; seed += 1) runOnce(seed, seen);
    expect(everything.filter((name) => !seen.has(name))).toEqual([]);
  });

  it('holds every open field of a progress as it is', () => {
    const progress = new Progress(index(7), 3);
    progress.isDead = true;
    const open = Object.entries(progress);
    expect(Object.fromEntries(open)).toEqual(pickKeys(progress.capture(), open));
    expect(Object.entries(Progress.resume(progress.capture()))).toEqual(open);
  });

  it('holds every open field of a core', () => {
    const core = Core.resume(new TestCluster({ voters: 1 }).raft(1).capture());
    const capture = core.capture();
    const held = [...Object.keys(capture), ...Object.keys(capture.fields)];
    expect(Object.keys(core).filter((name) => !held.includes(name))).toEqual([]);
  });

  it('is not taken while a Ready is owed', () => {
    const cluster = new TestCluster({ voters: 3 });
    const { raft } = cluster.member(1);
    raft.step(0, { type: 'read-index', requestId: requestId(1n) });
    expect(() => raft.capture()).toThrow('between a Ready and the next input');
    raft.ready();
    expect(raft.capture().handed).toBe(index(0));
  });
});
