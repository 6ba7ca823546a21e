// What is done to the cluster, and what is measured of it: each function is one trial.
import { existsSync, readdirSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';

import { Histogram } from './histogram.ts';
import { LoadConnection } from './load-connection.ts';
import {
  type Phases,
  type Plan,
  phasesOf,
  put,
  type RecoveryCluster,
  statusOf,
} from './recovery-cluster.ts';

/** Writes that a member misses while it is down. */
const missedWrites = 100;

/** A follower is killed and started: from its start until it has all that was committed by then. */
export async function followerCatchUp(cluster: RecoveryCluster): Promise<number> {
  const leader = await cluster.leader();
  const follower = cluster.plans.find((plan) => plan !== leader) as Plan;
  await cluster.stop(follower);
  for (let n = 0; n < missedWrites; n += 1) await untilPut(cluster, [leader], `missed-${n}`);
  const { commitIndex } = await cluster.until('the leader answers', () => statusOf(leader));
  const startMs = performance.now();
  cluster.start(follower);
  await cluster.until('the follower has caught up', async () => {
    const status = await statusOf(follower);
    return status && status.appliedIndex >= commitIndex ? true : undefined;
  });
  const tookMs = performance.now() - startMs;
  await cluster.untilReady(follower);
  return tookMs;
}

/** The leader is killed: until a write is acknowledged by another member. */
export async function leaderKilled(cluster: RecoveryCluster): Promise<number> {
  const leader = await cluster.leader();
  const startMs = performance.now();
  const stopped = cluster.stop(leader);
  const tookMs = await firstWrite(cluster, leader, startMs);
  await stopped;
  cluster.start(leader);
  await cluster.untilAllReady();
  return tookMs;
}

/**
 * The leader stands still, which to the others looks like a cut: until they acknowledge a write;
 * and, once it goes on, until it follows.
 */
export async function leaderFrozen(
  cluster: RecoveryCluster,
): Promise<{ readonly firstWriteMs: number; readonly healedMs: number }> {
  const leader = await cluster.leader();
  const startMs = performance.now();
  cluster.freeze(leader);
  const firstWriteMs = await firstWrite(cluster, leader, startMs);
  const next = cluster.plans.find((plan) => plan !== leader) as Plan;
  const { commitIndex } = await cluster.until('another answers', () => statusOf(next));
  const wokenMs = performance.now();
  cluster.wake(leader);
  await cluster.until('the old leader follows', async () => {
    const status = await statusOf(leader);
    const follows = status?.role === 'follower' && status.appliedIndex >= commitIndex;
    return follows ? true : undefined;
  });
  const healedMs = performance.now() - wokenMs;
  await cluster.untilAllReady();
  return { firstWriteMs, healedMs };
}

/** All are killed: from the start of the second one until a write is acknowledged. */
export async function allRestarted(cluster: RecoveryCluster): Promise<number> {
  await Promise.all(cluster.plans.map((plan) => cluster.stop(plan)));
  const [first, second, third] = cluster.plans as readonly [Plan, Plan, Plan];
  cluster.start(first);
  const startMs = performance.now();
  cluster.start(second);
  cluster.start(third);
  await untilPut(cluster, cluster.plans, 'after-all');
  const tookMs = performance.now() - startMs;
  await cluster.untilAllReady();
  return tookMs;
}

export type Restart = {
  readonly readyMs: number;
  /** Processor time until then: what a machine with other work cannot change much. */
  readonly cpuMs: number;
  readonly phases: Phases;
};

/** A follower is killed and started: until it is ready. */
export async function restart(cluster: RecoveryCluster): Promise<Restart> {
  const leader = await cluster.leader();
  const follower = cluster.plans.find((plan) => plan !== leader) as Plan;
  await cluster.stop(follower);
  const startMs = performance.now();
  cluster.start(follower);
  await cluster.untilReady(follower);
  const readyMs = performance.now() - startMs;
  const cpuMs = await cluster.cpuMs(follower);
  return { readyMs, cpuMs, phases: await phasesOf(follower) };
}

/** Each question costs the cores of the transfer about a millisecond. */
const installPollMs = 25;

/**
 * A member with an empty directory is started: until the snapshot stands in its store, and until it
 * has everything. The bytes are those of the image.
 */
export async function install(
  cluster: RecoveryCluster,
  newcomer: Plan,
): Promise<{ readonly installedMs: number; readonly caughtUpMs: number }> {
  await cluster.stop(newcomer);
  await rm(cluster.dataOf(newcomer), { recursive: true, force: true });
  const leader = await cluster.leader();
  const { commitIndex } = await cluster.until('the leader answers', () => statusOf(leader));
  cluster.start(newcomer);
  // The clock starts when it could be sent anything at all.
  await cluster.until('it answers', () => statusOf(newcomer));
  const startMs = performance.now();
  const stands = async (): Promise<true | undefined> => {
    const status = await statusOf(newcomer);
    const isThere = status && status.snapshotIndex > 0;
    return isThere && status.appliedIndex >= status.snapshotIndex ? true : undefined;
  };
  await cluster.until('the snapshot is in its store', stands, installPollMs);
  const installedMs = performance.now() - startMs;
  await cluster.until('it has everything', async () => {
    const status = await statusOf(newcomer);
    return status && status.appliedIndex >= commitIndex ? true : undefined;
  });
  const caughtUpMs = performance.now() - startMs;
  await cluster.untilReady(newcomer);
  return { installedMs, caughtUpMs };
}

export type SnapshotLoad = {
  readonly quiet: Histogram;
  readonly busy: Histogram;
  /** How long some member was writing a snapshot. */
  readonly busyMs: number;
};

/**
 * Puts without a pause, told apart by whether any member was writing a snapshot when the answer
 * came. Ends after `busyMsMin` of snapshots, or after `msMax`.
 */
export async function writesBesideSnapshots(
  cluster: RecoveryCluster,
  load: { readonly keys: number; readonly inFlight: number; readonly msMax: number },
): Promise<SnapshotLoad> {
  const leader = await cluster.leader();
  const [quiet, busy] = [new Histogram(), new Histogram()];
  const endMs = performance.now() + load.msMax;
  let [isBusy, snapshots, busyMs, lookedMs] = [false, 0, 0, performance.now()];
  const look = (): void => {
    const nowMs = performance.now();
    if (nowMs - lookedMs < 10) return;
    if (isBusy) busyMs += nowMs - lookedMs;
    lookedMs = nowMs;
    const was = isBusy;
    isBusy = cluster.plans.some((plan) => isWritingSnapshot(cluster.dataOf(plan)));
    if (was && !isBusy) snapshots += 1;
  };
  const connection = await LoadConnection.open({
    plan: { kind: 'put', by: 'http', keys: load.keys, valueBytes: 256 },
    endpoint: leader.client,
    depth: load.inFlight,
    firstKey: 0,
    onAnswer: (status, latencyMs) => {
      if (status < 200 || status > 299) throw new Error(`a put was answered ${status}`);
      look();
      (isBusy ? busy : quiet).record(latencyMs);
      return performance.now() < endMs && (snapshots === 0 || isBusy);
    },
  });
  try {
    connection.start();
    await connection.finished;
  } finally {
    connection.close();
  }
  return { quiet, busy, busyMs };
}

function isWritingSnapshot(data: string): boolean {
  const directory = join(data, 'groups', '0', 'snapshots');
  return existsSync(directory) && readdirSync(directory).some((name) => name.endsWith('.tmp'));
}

async function firstWrite(cluster: RecoveryCluster, without: Plan, startMs: number) {
  const others = cluster.plans.filter((plan) => plan !== without);
  await untilPut(cluster, others, 'first');
  return performance.now() - startMs;
}

/** Asks each in turn until one acknowledges. */
async function untilPut(
  cluster: RecoveryCluster,
  plans: readonly Plan[],
  key: string,
): Promise<void> {
  let at = 0;
  await cluster.until('a write is acknowledged', () => {
    at += 1;
    return put(plans[at % plans.length] as Plan, key);
  });
}
