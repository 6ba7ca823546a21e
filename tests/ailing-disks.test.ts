// Goal: disks that fill up or hang (safety.md 9), on real file systems: reads always, deletes and
// compaction always, writes refused with their reason and taken again by themselves; leadership
// where the disks are well; no lease lost. Method: members on small ext4 disks of their own, with
// short segments; a file of somebody else's takes the room, and fsfreeze holds writes up.
import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { type ProcessMember, until } from './support/process-cluster.ts';
import { noSmallDisks, SmallDiskCluster } from './support/small-disks.ts';

const mebibyte = 1024 * 1024;
const missing = noSmallDisks();
const flags = ['--segment-bytes', `${mebibyte}`];
const value = 'x'.repeat(8 * 1024);

type Refusal = { readonly code: string; readonly outcome: string; readonly detail: string };

const post = (member: ProcessMember, path: string, body: unknown): Promise<Response> =>
  fetch(`${member.url}${path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
    signal: AbortSignal.timeout(5000),
  });

/** A bare false would tell nobody why. */
async function expectTaken(answer: Response): Promise<void> {
  expect([answer.ok, answer.ok ? '' : await answer.text()]).toEqual([true, '']);
}

const remove = (member: ProcessMember, key: string): Promise<Response> =>
  fetch(`${member.url}/v1/kv/${key}`, { method: 'DELETE', signal: AbortSignal.timeout(5000) });

/** Writes key after key; answers how many went through before one was refused, and why. */
async function writeUntilRefused(member: ProcessMember, prefix: string, most: number) {
  for (let count = 0; count < most; count += 1) {
    const answer = await member.put(`/v1/kv/${prefix}${count}`, value);
    if (!answer.ok) return { count, refusal: (await answer.json()) as Refusal };
  }
  return { count: most, refusal: undefined };
}

/**
 * Reads at every member, of a key from before and of one that was written while the first disk was
 * full. A member that lags since has the old one at once, and says so where the newest is asked
 * for; whether it lags depends on what its own snapshots gave it back.
 */
async function expectReads(
  members: readonly ProcessMember[],
  late: string,
  mayLag?: ProcessMember,
): Promise<void> {
  for (const member of members) {
    const { name } = member.place;
    const old = await member.get('/v1/kv/kept?consistency=stale', 1500);
    expect([name, old.status, await old.text()]).toEqual([name, 200, 'old']);
    const newest = await member.get(`/v1/kv/${late}?consistency=linearizable`, 1500);
    if (member === mayLag && newest.status === 503) {
      expect(await newest.json()).toMatchObject({ code: 'stale-unknown' });
    } else {
      expect([name, newest.status, await newest.text()]).toEqual([name, 200, value]);
    }
  }
}

const tell = (title: string, figures: Readonly<Record<string, unknown>>): boolean =>
  process.stdout.write(`${title} ${JSON.stringify(figures)}\n`);

describe.skipIf(missing !== undefined)(`disks (${missing ?? 'ext4 on loop devices'})`, () => {
  it('full on the leader, then on all: nothing is lost, and all goes on within 10 s', async () => {
    await using small = await SmallDiskCluster.start(3, { bytes: 32 * mebibyte, flags });
    const { cluster } = small;
    const [first] = cluster.members as readonly [ProcessMember];
    await expectTaken(await first.put('/v1/kv/kept', 'old'));
    await delay(2500); // Each has its reserve, or a full disk is only found out later.

    const leader = await cluster.leader();
    const writer = cluster.members.find((member) => member !== leader) as ProcessMember;
    small.disk(leader).fill();
    const onOne = await writeUntilRefused(writer, 'one-', 300);
    const next = await cluster.leader();
    tell('the leader full:', {
      written: onOne.count,
      from: leader.place.name,
      to: next.place.name,
    });
    expect(onOne).toEqual({ count: 300, refusal: undefined });
    expect(next).not.toBe(leader);

    for (const member of cluster.members) small.disk(member).fill();
    const onAll = await writeUntilRefused(writer, 'all-', 1000);
    expect(onAll.refusal).toMatchObject({ code: 'disk-full', outcome: 'not-applied' });
    await expectReads(cluster.members, 'one-299', leader);
    let deleted = 0;
    for (; deleted < 250; deleted += 1) {
      expect((await remove(writer, `one-${deleted}`)).ok).toBe(true);
    }
    const { revision } = (await (await writer.get('/v1/cluster')).json()) as { revision: number };
    expect((await post(writer, '/v1/compact', { revision })).status).toBe(200);
    await expectReads(cluster.members, 'one-299', leader);
    const pages = await Promise.all(
      cluster.members.map(async (member) => [
        (await member.get('/livez')).status,
        (await member.get('/readyz')).status,
      ]),
    );
    expect(pages).toEqual([
      [200, 200],
      [200, 200],
      [200, 200],
    ]);
    const { findings } = (await (await writer.get('/v1/diagnosis')).json()) as {
      findings: readonly { case: string; says: string }[];
    };
    expect(findings.map((finding) => finding.case)).toContain('disk-full');
    expect((await writer.put('/v1/kv/more', 'x')).status).toBe(507);
    expect(await (await writer.get('/readyz')).text()).toContain('its disk is full');

    await until(
      async () => cluster.members.every(({ log }) => /is (9[0-9]|100) % full/.test(log)),
      { timeoutMs: 8000, what: () => `a warning of each; logs:\n${cluster.logs()}` },
    );

    for (const member of cluster.members) small.disk(member).makeRoom();
    const fromMs = performance.now();
    await until(async () => (await writer.put('/v1/kv/more', 'x')).ok, {
      timeoutMs: 10_000,
      what: () => `a write after room was made; logs:\n${cluster.logs()}`,
    });
    const againMs = Math.round(performance.now() - fromMs);
    const { count } = onAll;
    tell('all full:', { written: count, deleted, refused: onAll.refusal?.code, againMs });
    await until(async () => (await leader.get('/v1/kv/more')).ok, {
      timeoutMs: 10_000,
      what: () => `the first to be full has caught up; logs:\n${cluster.logs()}`,
    });
    await expectReads(cluster.members, 'one-299');
  });

  it('hung under the leader: another leads within 5 s, and no lease is lost', async () => {
    await using small = await SmallDiskCluster.start(3, { bytes: 16 * mebibyte, flags });
    const { cluster } = small;
    const leader = await cluster.leader();
    const writer = cluster.members.find((member) => member !== leader) as ProcessMember;
    const granted = await post(writer, '/v1/leases', { ttlMs: 3000 });
    await expectTaken(granted);
    const { id } = (await granted.json()) as { id: string };
    await expectTaken(await writer.put(`/v1/kv/held?lease=${id}`, 'x'));

    small.disk(leader).freeze();
    const fromMs = performance.now();
    let [lastMs, longestMs, written, movedMs, keptMs] = [fromMs, 0, 0, 0, 0];
    while (performance.now() - fromMs < 5500) {
      if (performance.now() - keptMs > 1000) {
        const kept = await post(writer, `/v1/leases/${id}/keep-alive`, {});
        if (kept.ok) keptMs = performance.now();
      }
      const answer = await writer.put('/v1/kv/beat', `${written}`, 2000).catch(() => undefined);
      const nowMs = performance.now();
      if (answer?.ok) {
        longestMs = Math.max(longestMs, nowMs - lastMs);
        lastMs = nowMs;
        written += 1;
      }
      if (movedMs === 0) {
        const others = cluster.running.filter((member) => member !== leader);
        const now = await cluster.leader(10_000, others).catch(() => leader);
        if (now !== leader) movedMs = performance.now() - fromMs;
      }
      await delay(20);
    }
    small.disk(leader).thaw();
    tell('hung under the leader:', {
      movedMs: Math.round(movedMs),
      longestGapMs: Math.round(longestMs),
      written,
    });
    expect(movedMs).toBeGreaterThan(0);
    expect(movedMs).toBeLessThan(5000);
    expect((await writer.get('/v1/kv/held')).status).toBe(200);
    await cluster.ready(10_000);
    expect((await (await leader.get('/v1/kv/beat')).text()).length).toBeGreaterThan(0);
  });
});
