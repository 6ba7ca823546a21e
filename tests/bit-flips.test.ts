// One bit of one file of one stopped member flips, again and again, on real processes and files.
// Goal: the cluster goes on meanwhile, nothing acknowledged is lost, and the member heals by itself
// (D-10, D-19). Method: a random member is ended (killed or stopped), a random bit of a random file
// of its data directory is flipped, it starts again; writers never pause.
import { setTimeout as delay } from 'node:timers/promises';
import { pick } from '@holdfast/base/random';
import { SeededRandom } from '@holdfast/base/seeded-random';
import { describe, expect, it } from 'vitest';
import { flipBit } from './support/bit-flip.ts';
import { expectConverged } from './support/converged.ts';
import { ProcessCluster, type ProcessMember, until } from './support/process-cluster.ts';
import { Recorder } from './support/recorder.ts';
import { repetitions, seedOfRun } from './support/repetitions.ts';

const flips = repetitions(20);
/** Small files, so that a snapshot, a purged log and several segments are always among them. */
const flags = [
  ...['--snapshot-entries-max', '300', '--snapshot-interval-ms', '200'],
  ...['--segment-bytes', '1048576'],
];
const writers = 6;

describe('a flipped bit', () => {
  it('in any file of one member stops nothing, loses nothing, and is healed', {
    timeout: flips * 60_000,
  }, async () => {
    const random = new SeededRandom(seedOfRun());
    await using cluster = await ProcessCluster.start(3, flags);
    const recorder = new Recorder();
    const load = startLoad(cluster, recorder);
    const tally = new Map<string, number>();
    for (let flip = 0; flip < flips; flip += 1) {
      await delay(random.integer(50, 300));
      const victim = pick(random, cluster.members);
      await (random.fraction() < 0.5 ? victim.kill() : victim.stop());
      const where = flipBit(victim.place.dataDir, random);
      tally.set(where.kind, (tally.get(where.kind) ?? 0) + 1);
      await expectServing(recorder, `with ${victim.place.name} down`);
      victim.start();
      await heals(cluster, victim, where.path);
      await expectServing(recorder, `with ${victim.place.name} back`);
    }
    await load.stop();
    const kinds = [...tally].map(([kind, count]) => `${kind} ${count}`).join(', ');
    process.stdout.write(
      `${flips} flipped bits (${kinds}); ${recorder.acknowledged.size} writes acknowledged\n`,
    );
    await expectConverged(cluster, recorder.acknowledged);
  });
});

/** The cluster takes a write now. */
async function expectServing(recorder: Recorder, when: string): Promise<void> {
  const sinceMs = performance.now();
  const acknowledged = recorder.firstAcknowledgementAfter(sinceMs);
  const atMs = await Promise.race([acknowledged, delay(10_000, undefined)]);
  expect(atMs, `a write is acknowledged ${when}`).toBeDefined();
}

/** Up, ready and whole again, without a hand. */
async function heals(cluster: ProcessCluster, victim: ProcessMember, path: string): Promise<void> {
  await until(
    async () => !victim.isRunning || ((await victim.isReady()) && (await isWhole(victim))),
    {
      timeoutMs: 60_000,
      what: () => `${victim.place.name} to heal a flip in ${path}; logs:\n${cluster.logs(40)}`,
    },
  );
  expect(
    victim.isRunning,
    `${victim.place.name} bears a flip in ${path}\n${cluster.logs(40)}`,
  ).toBe(true);
}

async function isWhole(member: ProcessMember): Promise<boolean> {
  const view = (await (await member.get('/v1/cluster')).json()) as { readonly role: string };
  return view.role === 'leader' || view.role === 'follower';
}

/** Writers of keys that nobody else writes, each through any member that runs. */
function startLoad(cluster: ProcessCluster, recorder: Recorder) {
  const controller = new AbortController();
  const running = Array.from({ length: writers }, async (_, writer) => {
    for (let at = 0; !controller.signal.aborted; at += 1) {
      const up = cluster.running;
      const key = `${writer}-${at}`;
      await recorder.write(up[at % up.length] as ProcessMember, key, `value of ${key}`);
      await delay(5);
    }
  });
  return {
    stop: async () => {
      controller.abort();
      await Promise.all(running);
    },
  };
}
