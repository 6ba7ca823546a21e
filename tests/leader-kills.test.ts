// Twenty leaders are killed in a row under a writer and readers, on real processes and disks. Goal:
// no acknowledged write is lost, no linearizable read is stale, and the first write after each kill
// comes within 2 s (B-04, B-14, C-12). Method: every call is recorded with its times and judged by
// the simulator's linearizability checker; at the end every acknowledged write must still be there.
import { setTimeout as delay } from 'node:timers/promises';
import { judgeLinearizability } from '@holdfast/simulator/judges/linearizability';
import { describe, expect, it } from 'vitest';
import { ProcessCluster, type ProcessMember } from './support/process-cluster.ts';
import { Recorder } from './support/recorder.ts';

const kills = 20;
const keys = ['a', 'b', 'c'];

describe('leader kills', () => {
  it('20 in a row lose nothing, and each costs at most 2 s of writing', async () => {
    await using cluster = await ProcessCluster.start(3);
    const recorder = new Recorder();
    const load = startLoad(cluster, recorder);
    const outages: number[] = [];
    for (let kill = 0; kill < kills; kill += 1) {
      const leader = await cluster.leader();
      const killedAtMs = performance.now();
      await leader.kill();
      outages.push((await load.firstWriteAfter(performance.now())) - killedAtMs);
      leader.start();
      await cluster.ready();
    }
    await load.stop();
    const worst = Math.max(...outages);
    process.stdout.write(`first write after a kill, ms: ${summary(outages)}\n`);
    process.stdout.write(
      `${recorder.acknowledged.size} writes acknowledged; failed: ${failures(recorder)}\n`,
    );
    judgeLinearizability(recorder.history.operations);
    await expectLastWrites(cluster, recorder.acknowledged);
    expect(recorder.acknowledged.size).toBeGreaterThan(kills);
    expect(worst).toBeLessThanOrEqual(2000);
  });
});

const summary = (values: readonly number[]): string => {
  const sorted = [...values].sort((a, b) => a - b).map(Math.round);
  return `min ${sorted[0]}, median ${sorted[sorted.length >> 1]}, max ${sorted[sorted.length - 1]}`;
};

const failures = (recorder: Recorder): string =>
  [...recorder.failures].map(([code, count]) => `${code} ${count}`).join(', ') || 'none';

async function expectLastWrites(
  cluster: ProcessCluster,
  acknowledged: ReadonlyMap<string, string>,
): Promise<void> {
  for (const member of cluster.members) {
    for (const [key, value] of acknowledged) {
      const answer = await member.get(`/v1/kv/${key}`);
      expect(await answer.text(), `${key} on ${member.place.name}`).toBe(value);
    }
  }
}

/** One writer of unique keys, and a writer and a reader on each of a few shared registers. */
function startLoad(cluster: ProcessCluster, recorder: Recorder) {
  const controller = new AbortController();
  const { signal } = controller;
  const running = [
    writeUnique(cluster, recorder, signal),
    ...keys.flatMap((key) => [
      writeRegister(cluster, recorder, { key, signal }),
      readRegister(cluster, recorder, { key, signal }),
    ]),
  ];
  return {
    firstWriteAfter: (sinceMs: number) => recorder.firstAcknowledgementAfter(sinceMs),
    stop: async () => {
      controller.abort();
      await Promise.all(running);
    },
  };
}

type OnKey = { readonly key: string; readonly signal: AbortSignal };

async function writeUnique(
  cluster: ProcessCluster,
  recorder: Recorder,
  signal: AbortSignal,
): Promise<void> {
  for (let count = 0; !signal.aborted; count += 1) {
    const member = pickRunning(cluster, count);
    await recorder.write(member, `unique-${count}`, `value-${count}`);
    await delay(5);
  }
}

async function writeRegister(
  cluster: ProcessCluster,
  recorder: Recorder,
  on: OnKey,
): Promise<void> {
  for (let count = 0; !on.signal.aborted; count += 1) {
    await recorder.writeRegister(pickRunning(cluster, count), on.key, `${on.key}-${count}`);
    await delay(20);
  }
}

async function readRegister(cluster: ProcessCluster, recorder: Recorder, on: OnKey): Promise<void> {
  for (let count = 0; !on.signal.aborted; count += 1) {
    await recorder.readRegister(pickRunning(cluster, count + 1), on.key);
    await delay(10);
  }
}

const pickRunning = (cluster: ProcessCluster, at: number): ProcessMember => {
  const { running } = cluster;
  return running[at % running.length] as ProcessMember;
};
