// Four machines, one of which goes dark: its packets vanish, and nobody is told. Goal: writes fail
// inside the detection window at most, every survivor answers quickly throughout and lists the dark
// one as set aside, and it is taken back by itself. Method: cuts in the rig
// for the dark, under a writer of 50 writes a second that waits for none before it sends the next.
import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import type { Attempt, Call } from '../tools/dark/protocol.ts';
import { monotonicMs } from '../tools/dark/system.ts';
import { expectConverged } from './support/converged.ts';
import { DarkCluster } from './support/dark-cluster.ts';
import type { DarkMember } from './support/dark-member.ts';
import { noDark, skipped } from './support/no-dark.ts';
import { until } from './support/process-cluster.ts';

const writesPerSecond = 50;
/** By A-05 every survivor knows by then. */
const detectionMs = 8000;
const darkAndWellMs = 10_000;
const answerMs = 1000;
const returnMs = 30_000;
/** every page and every question of an administrator. */
const watchedPaths = [
  ...['/', '/ping', '/livez', '/readyz', '/health', '/metrics', '/openapi.json'],
  ...['/v1/cluster', '/v1/members', '/v1/diagnosis', '/v1/recovery'],
  ...['/v1/connections', '/v1/breakers', '/v1/settings'],
];

describe.skipIf(noDark)(`a machine goes dark${skipped}`, () => {
  it.each(['follower', 'leader'])(
    'the %s of four: the others go on, and it comes back',
    async (role) => {
      await using cluster = await DarkCluster.start(4);
      const leader = await cluster.leader();
      const [first] = cluster.others(leader) as [DarkMember];
      const dark = role === 'leader' ? leader : first;
      const survivors = cluster.others(dark);
      const asked = survivors.find((member) => member !== leader) as DarkMember;
      const writer = await cluster.client.start({
        calls: [writeTo(asked)],
        perSecond: writesPerSecond,
      });
      const watched = survivors.flatMap(lookAt);
      const watcher = await cluster.client.start({ calls: watched, perSecond: watched.length });
      await until(async () => (await writer.attempts()).some(isApplied), {
        timeoutMs: 10_000,
        what: () => 'a first write',
      });

      await cluster.rig.cut(dark.name);
      const cutAtMs = monotonicMs();
      await delay(detectionMs + darkAndWellMs);
      expect(await appliedIndexOf(dark)).toBeLessThan(await appliedIndexOf(asked));
      for (const survivor of survivors) await expectSetAside(survivor, dark);
      const healedAtMs = monotonicMs();
      await cluster.rig.heal(dark.name);
      await until(async () => await isAbreast(dark, asked), {
        timeoutMs: returnMs,
        what: () => `${dark.name} to be back\n${cluster.logs()}`,
      });
      for (const survivor of survivors) await untilTakenBack(survivor, dark);
      const [writes, looks] = await Promise.all([writer.stop(), watcher.stop()]);
      tell(role, writes, { cutAtMs, healedAtMs });
      const acknowledged = new Map(writes.filter(isApplied).map(keyAndValue));
      await expectConverged(cluster, acknowledged);
      expect(monotonicMs() - healedAtMs).toBeLessThan(returnMs);

      const isSettled = ({ startedMs }: Attempt): boolean =>
        startedMs >= cutAtMs + detectionMs && startedMs < healedAtMs;
      const settled = writes.filter(isSettled);
      expect(settled.length).toBeGreaterThan((writesPerSecond * darkAndWellMs) / 1000 / 2);
      expect(settled.filter((attempt) => !isApplied(attempt))).toEqual([]);
      const slow = looks.filter(
        (look) => typeof look.result === 'string' || look.tookMs > answerMs,
      );
      const unwell = looks.filter((look) => isSettled(look) && look.result !== 200);
      expect(looks.filter(isSettled).length).toBeGreaterThan(watched.length);
      expect([...slow, ...unwell].map((look) => ({ ...watched[look.call], ...look }))).toEqual([]);
    },
  );
});

const writeTo = (member: DarkMember): Call => ({
  method: 'PUT',
  url: `${member.url}/v1/kv/dark-{n}`,
  headers: { 'content-type': 'application/octet-stream' },
  body: 'value-{n}',
  deadlineMs: 5000,
});

const lookAt = (member: DarkMember): readonly Call[] =>
  watchedPaths.map((path) => ({ method: 'GET', url: `${member.url}${path}`, deadlineMs: 5000 }));

type Linked = {
  readonly connections: readonly {
    readonly peer: string;
    readonly state: string;
    readonly breaker: string;
  }[];
};

type Listed = {
  readonly members: readonly {
    readonly name: string;
    readonly answered: boolean;
    readonly reason: string | null;
    readonly status: string;
  }[];
};

/** Listed as offline, never missing; given no call; and by more than one observer failed. */
async function expectSetAside(member: DarkMember, dark: DarkMember): Promise<void> {
  const links = await linksOf(member, dark);
  expect(links.map(({ state }) => state)).toEqual(['dead', 'dead']);
  expect(['open', 'half-open']).toContain(links[0]?.breaker);
  const listed = await listedBy(member, dark);
  expect(listed).toMatchObject({ answered: false, status: 'failed' });
  expect(listed?.reason).toMatch(/set aside|did not answer|no connection/);
}

async function untilTakenBack(member: DarkMember, dark: DarkMember): Promise<void> {
  await until(
    async () => {
      const [links, listed] = [await linksOf(member, dark), await listedBy(member, dark)];
      return links[0]?.breaker === 'closed' && listed?.status === 'healthy';
    },
    { timeoutMs: returnMs, what: () => `${member.name} to take ${dark.name} back` },
  );
}

async function linksOf(member: DarkMember, { name }: DarkMember): Promise<Linked['connections']> {
  const { connections } = (await (await member.get('/v1/connections')).json()) as Linked;
  return connections.filter(({ peer }) => peer === name);
}

async function listedBy(member: DarkMember, peer: DarkMember) {
  const { members } = (await (await member.get('/v1/members')).json()) as Listed;
  return members.find(({ name }) => name === peer.name);
}

const isApplied = ({ result }: Attempt): boolean => result === 200;

const keyAndValue = ({ number }: Attempt): readonly [string, string] => [
  `dark-${number}`,
  `value-${number}`,
];

/** Ready, and no further behind than what is under way. */
async function isAbreast(member: DarkMember, other: DarkMember): Promise<boolean> {
  const [own, theirs] = await Promise.all([appliedIndexOf(member), appliedIndexOf(other)]);
  return own >= theirs - writesPerSecond && (await member.isReady());
}

async function appliedIndexOf(member: DarkMember): Promise<number> {
  const view = (await (await member.get('/v1/cluster')).json()) as {
    readonly appliedIndex: number;
  };
  return view.appliedIndex;
}

/** What a reader of the run wants to know, whether it went well or not. */
function tell(
  role: string,
  writes: readonly Attempt[],
  { cutAtMs, healedAtMs }: { readonly cutAtMs: number; readonly healedAtMs: number },
): void {
  const inTheDark = writes.filter(
    ({ startedMs }) => startedMs >= cutAtMs && startedMs < healedAtMs,
  );
  const failed = inTheDark.filter((attempt) => !isApplied(attempt));
  const slowestMs = Math.max(...inTheDark.map(({ tookMs }) => tookMs));
  const kinds = new Set(failed.map(({ result, body }) => codeOf(body) ?? result));
  const told = kinds.size > 0 ? ` (${[...kinds].join(', ')})` : '';
  const lastFailure = Math.max(0, ...failed.map(({ startedMs }) => startedMs - cutAtMs));
  const afterwards = writes.filter(
    (attempt) => attempt.startedMs >= healedAtMs && !isApplied(attempt),
  );
  process.stdout.write(
    `dark ${role}: ${inTheDark.length} writes, ${failed.length} failed${told}, ` +
      `the last one sent ${Math.round(lastFailure)} ms after the cut; slowest ` +
      `${Math.round(slowestMs)} ms; ${afterwards.length} failed after the heal\n`,
  );
}

const codeOf = (body: string | undefined): string | undefined =>
  body === undefined ? undefined : (JSON.parse(body) as { readonly code: string }).code;
