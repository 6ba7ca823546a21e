// A cluster that has more to do than it can. Goal: nobody is taken for dead who only works:
// while every processor is busy for a minute, and 200 MB go from one member to another meanwhile,
// no connection is ended and nobody is elected. Method: a process for each processor that does
// nothing but count, and a member that comes back after the log was purged beyond what it has.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { availableParallelism } from 'node:os';
import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { expectSameState } from './support/converged.ts';
import { fill } from './support/fill.ts';
import { alarmsOn, termOf } from './support/link-figures.ts';
import { ProcessCluster, type ProcessMember, until } from './support/process-cluster.ts';
import { Recorder } from './support/recorder.ts';

const busyMs = 60_000;
const state = { name: 'bulk', keys: 2000, keysPerTxn: 1, valueBytes: 105_000 };
/**
 * 210 MB at this pace take half of the minute, and more where nobody has time. Writes share
 * entries, so that there are few of those: the leader gives its log up early, and has to send all.
 */
const flags = [
  ...['--snapshot-entries-max', '100', '--snapshot-interval-ms', '0'],
  ...['--snapshot-send-mbps', '8'],
];

describe('a minute of busy processors', () => {
  it('and 200 MB to a member that is behind: no eviction, no election, nothing lost', async () => {
    await using cluster = await ProcessCluster.start(3, flags);
    const leader = await cluster.leader();
    const [victim, third] = cluster.members.filter((one) => one !== leader) as [
      ProcessMember,
      ProcessMember,
    ];
    await victim.stop();
    const { lastIndex } = await logOf(leader);
    await fill(leader, state);
    await untilGivenUp(leader, lastIndex);
    victim.start();
    await untilReceiving(cluster, victim);
    const before = await figuresOf(cluster);

    const startedMs = performance.now();
    await using burners = burn();
    const recorder = new Recorder();
    let count = 0;
    while (performance.now() - startedMs < busyMs) {
      const member = count % 2 === 0 ? leader : third;
      await recorder.write(member, `busy-${count}`, 'value');
      count += 1;
      await delay(20);
    }
    const after = await figuresOf(cluster);
    await burners.end();
    await cluster.ready(60_000);
    const ended = JSON.stringify(after.alarms);
    process.stdout.write(
      `busy for a minute: ${count} writes, ${recorder.acknowledged.size} acknowledged, ` +
        `${after.term - before.term} elections, ended connections ${ended}\n`,
    );
    expect(after).toEqual(before);
    expect(recorder.acknowledged.size).toBe(count);
    await expectSameState(cluster);
    for (const [key, value] of recorder.acknowledged) {
      expect(await (await victim.get(`/v1/kv/${key}`)).text()).toBe(value);
    }
  });
});

async function figuresOf({ members }: ProcessCluster) {
  const alarms = await Promise.all(members.map(alarmsOn));
  const terms = await Promise.all(members.map(termOf));
  return { alarms: alarms.map((one) => Object.fromEntries(one)), term: Math.max(...terms) };
}

/**
 * The log that the victim lacks. A snapshot is not enough: whole segments are given up, and only
 * those that end before the older of two snapshots begins.
 */
async function untilGivenUp(leader: ProcessMember, hasUpTo: number): Promise<void> {
  let writes = 0;
  await until(
    async () => {
      await leader.put(`/v1/kv/after-${writes++}`, 'value'); // It takes one each so many entries.
      return (await logOf(leader)).purgedIndex > hasUpTo;
    },
    { timeoutMs: 60_000, everyMs: 5, what: () => `a purge of the log of ${leader.place.name}` },
  );
}

async function logOf(member: ProcessMember) {
  const answer = await member.get('/v1/cluster');
  return (await answer.json()) as { lastIndex: number; purgedIndex: number };
}

/** Linked with the others, and a snapshot is on its way. */
async function untilReceiving(cluster: ProcessCluster, victim: ProcessMember): Promise<void> {
  await until(
    async () => {
      try {
        const answer = await victim.get('/v1/recovery', 1000);
        const { install } = (await answer.json()) as { install: { doneBytes: number } | null };
        return (install?.doneBytes ?? 0) > 0;
      } catch {
        return false; // It does not listen yet.
      }
    },
    { timeoutMs: 60_000, what: () => `a snapshot for ${victim.place.name}\n${cluster.logs()}` },
  );
}

/** One for each processor; they end by themselves, too. */
function burn() {
  const script = `const end = Date.now() + ${busyMs * 2}; while (Date.now() < end);`;
  const children = Array.from({ length: availableParallelism() }, () =>
    spawn(process.execPath, ['-e', script], { stdio: 'ignore' }),
  );
  const end = async (): Promise<void> => {
    await Promise.all(children.map(endOf));
  };
  return { end, [Symbol.asyncDispose]: end };
}

async function endOf(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, 'exit');
  child.kill('SIGKILL');
  await exited;
}
