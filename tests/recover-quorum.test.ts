// A majority is gone for good. Goal: `holdfast recover-quorum` lists exactly what is lost before it
// does anything, does it only when told to, and makes a cluster that cannot be mixed up with the
// old one. Method: real processes, of which one is frozen at a random moment while the others take
// more writes; then all are killed, some of them in the middle of a write. What the list must say
// is read from the member that was made.
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { SeededRandom } from '@holdfast/base/seeded-random';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ChangingCluster, change } from './support/changing-cluster.ts';
import { holdfast, ProcessMember, placeArgs, until } from './support/process-cluster.ts';
import { repetitions, seedOfRun } from './support/repetitions.ts';

const cases = repetitions(2);
let cluster: ChangingCluster;
/** Every write that was acknowledged, by its revision. */
const acknowledged = new Map<number, string>();
let attempts = 0;

beforeAll(async () => {
  cluster = await ChangingCluster.start(3);
});

afterAll(async () => {
  await cluster[Symbol.asyncDispose]();
});

describe('what is lost with a majority', () => {
  it(
    'is listed as it is, whoever is left',
    async () => {
      const random = new SeededRandom(seedOfRun());
      const lost: number[] = [];
      for (let at = 0; at < cases; at += 1) lost.push(await playCase(random, at === 0));
      process.stdout.write(`acknowledged revisions lost in ${cases} cases: ${lost.join(', ')}\n`);
      // Otherwise nothing was tried.
      expect(Math.max(...lost)).toBeGreaterThan(0);
    },
    60_000 + cases * 20_000,
  );
});

describe('a cluster with its majority', () => {
  it('is left alone, and says who is there', async () => {
    const [left] = cluster.members as [ProcessMember];
    await left.kill();
    const into = join(cluster.root, 'refused');
    const { code, err } = await recover(left, ['--accept-loss', '--into', into]);
    expect(code).not.toBe(0);
    expect(err).toMatch(/has its majority: of 3 voters .*n2.* are there/);
    const { out } = await recover(left, []);
    expect(out).toContain('start it\nagain, and nothing is lost');
    expect(out).not.toMatch(/is lost\.\n/);
    left.start();
    await cluster.ready();
  });
});

describe('a cluster without its majority', () => {
  it('is left alone while one of its voters still runs, and so are its directories', async () => {
    const [one, two, running] = cluster.members as [ProcessMember, ProcessMember, ProcessMember];
    const place = await cluster.place('o1');
    const joins = ['--join', running.place.client, '--observer'];
    const observer = new ProcessMember(place, [...placeArgs(place), ...joins]);
    observer.start();
    await until(() => observer.isReady(), { timeoutMs: 20_000, what: () => observer.log });
    for (const member of [observer, one, two]) await member.kill();
    const into = join(cluster.root, 'refused');
    const refusals = [
      [['--accept-loss', '--into', into], /still runs n3 .*which may have what would be given up/],
      [['--accept-loss', '--into', join(place.dataDir, 'new')], /stays as it is: name another/],
      [['--also', join(place.dataDir, '.')], /are the same directory/],
    ] as const;
    for (const [flags, words] of refusals) {
      const { code, err } = await recover(observer, flags);
      expect(code).not.toBe(0);
      expect(err).toMatch(words);
    }
    for (const member of [one, two]) member.start();
    await cluster.ready();
    expect(await change(running, { remove: ['o1'] })).toMatchObject({ status: 200 });
  });
});

describe('the new cluster', () => {
  it('grows by machines that join it, and takes no word of the old one', async () => {
    const [left, ...others] = cluster.members as [ProcessMember, ProcessMember, ProcessMember];
    for (const member of cluster.members) await member.kill();
    const made = await recovered(left);
    const joined = await cluster.join('m1', made);
    await until(() => joined.isReady(), { timeoutMs: 20_000, what: () => joined.log });
    expect((await made.put('/v1/kv/new', 'yes')).status).toBe(200);
    // They had a majority after all, and know the new one's address as that of their third.
    for (const old of others) old.start();
    const oldServes = async (): Promise<boolean> =>
      (await others[0].isReady()) && (await others[0].put('/v1/kv/old', 'yes')).ok;
    await until(oldServes, { timeoutMs: 20_000, what: () => others[0].log });
    for (const member of [made, joined]) {
      expect(await (await member.get('/v1/kv/new')).text()).toBe('yes');
      expect((await member.get('/v1/kv/old')).status).toBe(404);
    }
    expect(made.log).toMatch(/belongs to cluster|another cluster|cluster-mismatch/);
    for (const member of [joined, made, ...others]) await member.kill();
    for (const member of [left, ...others]) member.start();
    await cluster.ready();
  });
});

/** How many acknowledged revisions the one that was left had not. */
async function playCase(random: SeededRandom, isFirst: boolean): Promise<number> {
  const left = cluster.members[random.integer(0, 3)] as ProcessMember;
  await write(random.integer(0, 20));
  if (isFirst || random.fraction() < 0.8) process.kill(left.pid, 'SIGSTOP');
  await write(random.integer(1, 20), left);
  const inFlight = random.fraction() < 0.5 ? 8 : 0;
  const unanswered = Array.from({ length: inFlight }, () => writeOne(left));
  await Promise.all(cluster.members.map((member) => member.kill()));
  await Promise.all(unanswered);

  const report = await lookAt(left);
  const made = await recovered(left);
  const missing: number[] = [];
  for (const [revision, key] of acknowledged) {
    if ((await made.get(`/v1/kv/${key}`)).status !== 200) missing.push(revision);
  }
  await made.kill();
  rmSync(made.place.dataDir, { recursive: true });
  const listed = report.lost.revisions.filter((one) => one.mayBeAcknowledged);
  const named = listed.map(({ revision }) => revision);
  expect(named.filter((revision) => acknowledged.has(revision))).toEqual(missing);
  expect(missing.every((revision) => revision > report.kept.revision)).toBe(true);
  // What nobody was told of was at least tried, and says what it is.
  expect(named.length - missing.length).toBeLessThanOrEqual(inFlight);
  for (const { entry } of listed) expect(entry.command).toMatch(/put .*:"lost-\d+"/);

  for (const member of cluster.members) member.start();
  await cluster.ready();
  return missing.length;
}

async function write(count: number, butBy?: ProcessMember): Promise<void> {
  for (let at = 0; at < count; at += 1) await writeOne(butBy);
}

async function writeOne(butBy?: ProcessMember): Promise<void> {
  attempts += 1;
  const key = `lost-${attempts}`;
  const [member] = cluster.members.filter((one) => one !== butBy);
  try {
    const answer = await (member as ProcessMember).put(`/v1/kv/${key}`, 'x');
    const { revision } = (await answer.json()) as { readonly revision?: number };
    if (answer.ok && revision !== undefined) acknowledged.set(revision, key);
  } catch {
    // Nobody was told anything.
  }
}

type Report = {
  readonly kept: { readonly revision: number };
  readonly lost: {
    readonly revisions: readonly {
      readonly revision: number;
      readonly mayBeAcknowledged: boolean;
      readonly entry: { readonly command: string };
    }[];
  };
  readonly restored: { readonly revision: number } | null;
};

async function lookAt(left: ProcessMember): Promise<Report> {
  const others = cluster.members.filter((member) => member !== left);
  const also = others.flatMap(({ place }) => ['--also', place.dataDir]);
  const { code, out, err } = await recover(left, [...also, '--output', 'json']);
  expect([code, err]).toEqual([0, '']);
  const report = JSON.parse(out) as Report;
  expect(report.restored).toBeNull();
  return report;
}

/** The first member of a new cluster, running; at the place of the one that was left. */
async function recovered(left: ProcessMember): Promise<ProcessMember> {
  const into = join(cluster.root, 'recovered');
  const { code, err } = await recover(left, ['--accept-loss', '--into', into]);
  expect([code, err]).toEqual([0, expect.not.stringMatching(/error/)]);
  const place = { ...left.place, dataDir: into };
  const made = new ProcessMember(place, placeArgs(place));
  made.start();
  await until(() => made.isReady(), { timeoutMs: 20_000, what: () => made.log });
  return made;
}

const recover = ({ place }: ProcessMember, flags: readonly string[]) =>
  holdfast(['recover-quorum', place.dataDir, ...flags]);
