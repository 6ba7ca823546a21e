// Machines come and go while the cluster serves (field U-8). Goal: nothing that was acknowledged is
// lost, no write waits for more than two seconds, whoever is removed ends by itself and says so,
// and what would cost the majority is refused. Method: real processes, one replaced after the other
// under a writer, with a kill in between.
import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { ChangingCluster, change, rowsAt } from './support/changing-cluster.ts';
import { type ProcessMember, until } from './support/process-cluster.ts';
import { Recorder } from './support/recorder.ts';
import { repetitions } from './support/repetitions.ts';

const replacements = repetitions(3);
/** Without an acknowledged write. */
const gapMsMax = 2000;

describe('machines that come and go', () => {
  it(
    'one after another, with a kill in between: nothing is lost, and no write waits for 2 s',
    async () => {
      await using cluster = await ChangingCluster.start(3);
      const writer = new Writer(cluster);
      writer.start();
      for (let round = 1; round <= replacements; round += 1) {
        await replaceOne(cluster, `m${round}`);
      }
      const longestMs = await writer.stop();
      process.stdout.write(
        `${replacements} machines replaced, ${writer.recorder.acknowledged.size} writes ` +
          `acknowledged, the longest time without one ${Math.round(longestMs)} ms\n`,
      );
      await cluster.ready();
      for (const member of cluster.running) {
        for (const [key, value] of writer.recorder.acknowledged) {
          expect(await (await member.get(`/v1/kv/${key}`)).text()).toBe(value);
        }
      }
      expect(longestMs).toBeLessThan(gapMsMax);
    },
    60_000 + replacements * 30_000,
  );
});

/** A new machine comes, another one is killed and comes back, and the leader goes for good. */
async function replaceOne(cluster: ChangingCluster, name: string): Promise<void> {
  const via = cluster.running[0] as ProcessMember;
  const next = await cluster.join(name, via);
  await untilVoting(cluster, next);
  const leader = await cluster.leader();
  const killed = cluster.running.find((one) => one !== leader && one !== next) as ProcessMember;
  await killed.kill();
  killed.start();
  await cluster.ready();
  const old = (await cluster.leader()) === next ? killed : await cluster.leader();
  const answer = await change(next, { remove: [old.place.name] });
  expect(answer).toMatchObject({ status: 200 });
  await old.exited();
  expect(old.log).toContain('was removed from the cluster');
  const rows = await rowsAt(next);
  expect(rows.map((row) => row.name)).not.toContain(old.place.name);
}

async function untilVoting(cluster: ChangingCluster, member: ProcessMember): Promise<void> {
  await until(
    async () => {
      if (!(await member.isReady())) return false;
      const row = (await rowsAt(member)).find(({ name }) => name === member.place.name);
      return row !== undefined && row.role !== 'observer';
    },
    { timeoutMs: 30_000, what: () => `${member.place.name} to vote\n${cluster.logs()}` },
  );
}

/** Writes through whoever runs, one after another, and notes how long none got through. */
class Writer {
  readonly recorder = new Recorder();
  readonly #cluster: ChangingCluster;
  #isOver = false;
  #done: Promise<void> = Promise.resolve();
  #longestMs = 0;

  constructor(cluster: ChangingCluster) {
    this.#cluster = cluster;
  }

  start(): void {
    this.#done = this.#write();
  }

  async stop(): Promise<number> {
    this.#isOver = true;
    await this.#done;
    return this.#longestMs;
  }

  async #write(): Promise<void> {
    let lastMs = performance.now();
    for (let at = 0; !this.#isOver; at += 1) {
      const { running } = this.#cluster;
      const before = this.recorder.acknowledged.size;
      const member = running[at % running.length] as ProcessMember;
      await this.recorder.write(member, `key-${at}`, `value ${at}`);
      if (this.recorder.acknowledged.size > before) {
        this.#longestMs = Math.max(this.#longestMs, performance.now() - lastMs);
        lastMs = performance.now();
      }
      await delay(5);
    }
  }
}
