// Five members survive any two killed; with three gone, writes are refused within a second by an
// error that names the missing voters, stale reads still answer and say how old they are, and when
// the members are back nothing that was acknowledged is gone (B-02, C-22, safety.md 19 and 23).
import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { ProcessCluster, type ProcessMember, until } from './support/process-cluster.ts';

type Problem = {
  readonly code: string;
  readonly outcome: string;
  readonly detail: string;
  readonly missingVoters?: readonly string[];
};

describe('five members', () => {
  it('survive any two killed at once', async () => {
    await using cluster = await ProcessCluster.start(5);
    for (const [a, b] of pairs(5)) {
      const [one, two] = [cluster.members[a] as ProcessMember, cluster.members[b] as ProcessMember];
      await Promise.all([one.kill(), two.kill()]);
      await expectWrites(cluster, `pair-${a}-${b}`);
      one.start();
      two.start();
      await cluster.ready();
    }
    await expectAll(
      cluster,
      pairs(5).map(([a, b]) => `pair-${a}-${b}`),
    );
  });

  it('refuse writes at once when three are gone, and still answer stale reads', async () => {
    await using cluster = await ProcessCluster.start(5);
    await expectWrites(cluster, 'kept');
    await delay(500); // The followers hear of the write, as they would by any later read.
    const leader = await cluster.leader();
    const others = cluster.members.filter((member) => member !== leader);
    const gone = [leader, ...others.slice(0, 2)];
    const left = cluster.members.filter((member) => !gone.includes(member));
    await Promise.all(gone.map((member) => member.kill()));
    const names = gone.map((member) => member.place.name).sort();
    for (const member of left) await expectRefusal(member, names);
    await delay(1500);
    for (const member of left) await expectRefusal(member, names);
    for (const member of left) await expectStaleRead(member);
    for (const member of gone) member.start();
    await cluster.ready();
    await expectWrites(cluster, 'after');
    await expectAll(cluster, ['kept', 'after']);
  });
});

const pairs = (count: number): readonly (readonly [number, number])[] =>
  Array.from({ length: count }, (_, a) =>
    Array.from({ length: count - a - 1 }, (_x, b) => [a, a + b + 1] as const),
  ).flat();

async function expectWrites(cluster: ProcessCluster, key: string): Promise<void> {
  await until(
    async () => {
      const answers = await Promise.all(
        cluster.running.map((member) =>
          member.put(`/v1/kv/${key}`, key).then(
            (answer) => answer.ok,
            () => false,
          ),
        ),
      );
      return answers.every(Boolean);
    },
    { timeoutMs: 10_000, what: () => `a write of ${key} through every member\n${cluster.logs()}` },
  );
}

async function expectAll(cluster: ProcessCluster, keys: readonly string[]): Promise<void> {
  for (const member of cluster.running) {
    for (const key of keys) expect(await (await member.get(`/v1/kv/${key}`)).text()).toBe(key);
  }
}

async function expectRefusal(member: ProcessMember, missing: readonly string[]): Promise<void> {
  const sentMs = performance.now();
  const answer = await member.put('/v1/kv/refused', 'x');
  const tookMs = performance.now() - sentMs;
  const problem = (await answer.json()) as Problem;
  expect(answer.status).toBe(503);
  expect(['no-quorum', 'no-leader']).toContain(problem.code);
  expect(problem.outcome).toBe('not-applied');
  expect([...(problem.missingVoters ?? [])].sort()).toEqual(missing);
  expect(tookMs).toBeLessThan(1000);
}

async function expectStaleRead(member: ProcessMember): Promise<void> {
  const answer = await member.get('/v1/kv/kept?consistency=stale');
  expect(await answer.text()).toBe('kept');
  const age = Number(answer.headers.get('x-holdfast-age-ms'));
  expect(age).toBeGreaterThan(1000);
  expect(age).toBeLessThan(60_000);
  const confirmed = await member.get('/v1/kv/kept');
  expect(confirmed.status).toBe(503);
}
