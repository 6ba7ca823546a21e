// Data directories that an older version wrote, started by this one. Goal: everything that was in
// them is there on every member, the members agree about it, and the cluster then learns what the
// older version did not know: leases and sessions, then changes of members. Method: real processes
// on a copy of directories that were kept (fixtures/README.md); the members come one after the
// other, so that the cluster runs for a while with one that has not said yet what it knows.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { brotliDecompressSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { ChangingCluster, change, rowsAt } from './support/changing-cluster.ts';
import { expectConverged, expectSameState } from './support/converged.ts';
import { ProcessCluster, type ProcessMember, until } from './support/process-cluster.ts';

type Answer = { readonly status: number; readonly body: unknown };
type Fixture = {
  readonly members: Readonly<Record<string, Readonly<Record<string, string>>>>;
  readonly answers: Readonly<Record<string, Answer>>;
};

describe('data directories of cluster version 1', () => {
  it('start with all that they held; leases and sessions come with the last member', async () => {
    const fixture = readFixture('part-1.json.br');
    await using cluster = await ProcessCluster.layOut(3, ['--cluster-token', 'part-1']);
    for (const member of cluster.members) unpack(fixture, member);
    const [one, two, three] = cluster.members as [ProcessMember, ProcessMember, ProcessMember];
    one.start();
    two.start();
    await cluster.ready();
    const early = await grant(one);
    expect(early).toMatchObject({
      status: 412,
      body: { heldBackBy: expect.arrayContaining(['n3']) },
    });
    three.start();
    await cluster.ready();
    for (const member of cluster.members) await expectAnswers(fixture, member);
    await until(async () => (await grant(three)).status === 200, {
      timeoutMs: 15_000,
      what: () => `version 2 of the cluster; logs:\n${cluster.logs()}`,
    });
    await expectConverged(cluster, new Map());
  });
});

describe('data directories of cluster version 3', () => {
  it('start with all that they held; a machine is replaced once no old one is left', async () => {
    const fixture = readFixture('part-2.json.br');
    await using cluster = await ChangingCluster.layOut(3, ['--cluster-token', 'part-2']);
    for (const member of cluster.members) unpack(fixture, member);
    const [one, two, three] = cluster.members as [ProcessMember, ProcessMember, ProcessMember];
    one.start();
    two.start();
    await cluster.ready();
    expect(await change(two, { remove: ['n3'] })).toMatchObject({
      status: 412,
      detail: expect.stringMatching(/changes of members need .* not yet: .*n3/),
    });
    three.start();
    await cluster.ready();
    for (const member of cluster.members) await expectAnswers(fixture, member);
    await until(async () => (await change(two, { remove: ['n1'] })).status === 200, {
      timeoutMs: 15_000,
      what: () => `a change of members; logs:\n${cluster.logs()}`,
    });
    await one.exited();
    const four = await cluster.join('n4', two);
    await until(async () => (await votersAt(two)) === 'n2 n3 n4', {
      timeoutMs: 15_000,
      what: () => `n4 to be a voter; logs:\n${cluster.logs()}`,
    });
    await cluster.ready();
    await expectAnswers(fixture, four);
    await expectSameState({ members: cluster.running });
  });
});

const votersAt = async (member: ProcessMember): Promise<string> =>
  (await rowsAt(member))
    .flatMap(({ name, role }) => (role === 'leader' || role === 'follower' ? [name] : []))
    .sort()
    .join(' ');

const readFixture = (name: string): Fixture => {
  const packed = readFileSync(new URL(`./fixtures/${name}`, import.meta.url));
  return JSON.parse(brotliDecompressSync(packed).toString('utf8')) as Fixture;
};

function unpack({ members }: Fixture, { place }: ProcessMember): void {
  for (const [path, base64] of Object.entries(members[place.name] ?? {})) {
    const file = join(place.dataDir, path);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, Buffer.from(base64, 'base64'));
  }
}

async function grant(member: ProcessMember): Promise<Answer> {
  const answer = await fetch(`${member.url}/v1/leases`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ ttlMs: 60_000 }),
  });
  return { status: answer.status, body: await answer.json() };
}

async function expectAnswers({ answers }: Fixture, member: ProcessMember): Promise<void> {
  for (const [path, wanted] of Object.entries(answers)) {
    const answer = await member.get(path);
    expect(answer.status, `${path} on ${member.place.name}`).toBe(wanted.status);
    if (wanted.status >= 400) continue;
    const { ageMs: _, revision: __, ...body } = (await answer.json()) as Record<string, unknown>;
    expect(body, `${path} on ${member.place.name}`).toEqual(wanted.body);
  }
}
