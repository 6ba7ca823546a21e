// Four machines, one of which goes dark, or stands still while its kernel goes on. Goal: writes
// fail inside the detection window at most, then none does for as long as the machine is dark,
// every survivor answers quickly throughout and lists it as set aside, and it is taken back by
// itself. Method: cuts in the rig for the dark, under a writer of 50
// writes a second that waits for none before it sends the next, and a client at every other member.
import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import type { Attempt, Call } from '../tools/dark/protocol.ts';
import { monotonicMs } from '../tools/dark/system.ts';
import { expectConverged } from './support/converged.ts';
import { DarkCluster } from './support/dark-cluster.ts';
import type { DarkMember } from './support/dark-member.ts';
import { noDark, skipped } from './support/no-dark.ts';
import { until } from './support/process-cluster.ts';
import { repetitions } from './support/repetitions.ts';

const writesPerSecond = 50;
/** Of each other member's client, by turns. */
const callsPerSecond = 20;
/** By A-05 every survivor knows by then. */
const detectionMs = 8000;
/** with the machine still dark. Five minutes in a soak. */
const darkAndWellMs = repetitions(60) * 1000;
const answerMs = 1000;
/** An election, and the longest wait for a leader (safety.md 11, 23). */
const callMs = 2500;
/** Two looks at the other members, after A-05. */
const verdictMs = 5000;
const returnMs = 30_000;
/** every page and every question of an administrator. */
const watchedPaths = [
  ...['/', '/ping', '/livez', '/readyz', '/health', '/metrics', '/openapi.json'],
  ...['/v1/cluster', '/v1/members', '/v1/diagnosis', '/v1/recovery'],
  ...['/v1/connections', '/v1/breakers', '/v1/settings'],
];

type Trial = { readonly role: 'follower' | 'leader'; readonly way: 'cut off' | 'frozen' };

/** Side by side, as most of it is waiting; a soak has time for all four. */
const trials: readonly Trial[] =
  repetitions(0) > 0
    ? [
        { role: 'leader', way: 'cut off' },
        { role: 'leader', way: 'frozen' },
        { role: 'follower', way: 'cut off' },
        { role: 'follower', way: 'frozen' },
      ]
    : [
        { role: 'leader', way: 'cut off' },
        { role: 'follower', way: 'frozen' },
      ];

describe.skipIf(noDark)(`a machine goes dark${skipped}`, () => {
  it.concurrent.each(trials)(
    'the $role of four, $way: the others go on, and it comes back',
    async (trial) => {
      await using cluster = await DarkCluster.start(4);
      const leader = await cluster.leader();
      const [first] = cluster.others(leader) as [DarkMember];
      const dark = trial.role === 'leader' ? leader : first;
      const load = await startLoad(cluster, dark);

      await darken(cluster, dark, trial);
      const cutAtMs = monotonicMs();
      await delay(detectionMs);
      for (const survivor of cluster.others(dark)) await expectSetAside(survivor, dark);
      for (const survivor of cluster.others(dark)) await untilCalledFailed(survivor, dark);
      await delay(darkAndWellMs);
      const healedAtMs = monotonicMs();
      await lighten(cluster, dark, trial);
      await untilBack(cluster, dark);
      const made = await load.stop();
      tell(trial, made, { cutAtMs, healedAtMs });
      const acknowledged = new Map(made.writes.filter(isApplied).map(keyAndValue));
      await expectConverged(cluster, acknowledged);
      expect(monotonicMs() - healedAtMs).toBeLessThan(returnMs);
      expectWell(made, { cutAtMs, healedAtMs });
    },
    180_000 + darkAndWellMs,
  );
});

type Window = { readonly cutAtMs: number; readonly healedAtMs: number };

type Made = {
  readonly writes: readonly Attempt[];
  readonly calls: readonly Attempt[];
  readonly looks: readonly (Attempt & { readonly url: string })[];
};

/**
 * A writer at one survivor, a client at each of them, and somebody who looks at all their pages.
 */
async function startLoad(cluster: DarkCluster, dark: DarkMember) {
  const survivors = cluster.others(dark);
  const [asked] = survivors as [DarkMember];
  const { client } = cluster;
  const writer = await client.start({ calls: [writeTo(asked)], perSecond: writesPerSecond });
  const calls = survivors.flatMap(callsTo);
  const perSecond = survivors.length * callsPerSecond;
  const caller = await client.start({ calls, perSecond });
  const watched = survivors.flatMap(lookAt);
  const watcher = await client.start({ calls: watched, perSecond: watched.length });
  await until(async () => (await writer.attempts()).some(isApplied), {
    timeoutMs: 10_000,
    what: () => 'a first write',
  });
  const stop = async (): Promise<Made> => {
    const parts = [writer, caller, watcher].map((pace) => pace.stop());
    const [writes = [], called = [], looks = []] = await Promise.all(parts);
    const named = looks.map((look) => ({ ...look, url: watched[look.call]?.url ?? '' }));
    return { writes, calls: called, looks: named };
  };
  return { stop };
}

async function darken(cluster: DarkCluster, dark: DarkMember, { way }: Trial): Promise<void> {
  await (way === 'cut off' ? cluster.rig.cut(dark.name) : dark.freeze());
}

async function lighten(cluster: DarkCluster, dark: DarkMember, { way }: Trial): Promise<void> {
  if (way === 'cut off') await cluster.rig.heal(dark.name);
  else dark.wake();
}

async function untilBack(cluster: DarkCluster, dark: DarkMember): Promise<void> {
  const survivors = cluster.others(dark);
  await until(async () => await isAbreast(dark, survivors[0] as DarkMember), {
    timeoutMs: returnMs,
    what: () => `${dark.name} to be back\n${cluster.logs()}`,
  });
  for (const survivor of survivors) await untilTakenBack(survivor, dark);
}

/** What say of everything that was asked. */
function expectWell({ writes, calls, looks }: Made, { cutAtMs, healedAtMs }: Window): void {
  const isSettled = ({ startedMs }: Attempt): boolean =>
    startedMs >= cutAtMs + detectionMs && startedMs < healedAtMs;
  const settled = writes.filter(isSettled);
  expect(settled.length).toBeGreaterThan((writesPerSecond * darkAndWellMs) / 1000 / 2);
  expect(settled.filter((attempt) => !isApplied(attempt))).toEqual([]);
  expect(calls.filter((call) => isSettled(call) && call.result !== 200)).toEqual([]);
  expect(calls.filter(({ tookMs }) => tookMs > callMs)).toEqual([]);
  expect(looks.filter(isSettled).length).toBeGreaterThan(
    (watchedPaths.length * darkAndWellMs) / 1000,
  );
  expect(looks.filter((look) => isSettled(look) && look.result !== 200)).toEqual([]);
  const isSlow = ({ result, tookMs }: Attempt): boolean =>
    typeof result === 'string' || tookMs > answerMs;
  expect(looks.filter(isSlow)).toEqual([]);
}

const writeTo = (member: DarkMember): Call => member.putCall('/v1/kv/dark-{n}', 'value-{n}');

/** What programs ask of a member: the body of each answer is small. */
const callsTo = (member: DarkMember): readonly Call[] => [
  member.putCall(`/v1/kv/client-${member.name}`, 'value-{n}'),
  ...['linearizable', 'stale'].map((consistency) =>
    member.getCall(`/v1/kv?prefix=client&limit=3&consistency=${consistency}`),
  ),
  {
    method: 'POST',
    url: `${member.url}/v1/txn`,
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ success: [{ put: { key: `txn-${member.name}`, value: '{n}' } }] }),
    deadlineMs: 5000,
  },
];

const lookAt = (member: DarkMember): readonly Call[] =>
  watchedPaths.map((path) => member.getCall(path));

type Listed = {
  readonly members: readonly {
    readonly name: string;
    readonly answered: boolean;
    readonly reason: string | null;
    readonly status: string;
  }[];
};

/** Listed as offline, never missing; and given no call. */
async function expectSetAside(member: DarkMember, dark: DarkMember): Promise<void> {
  const links = await member.links(dark);
  expect(links.map(({ state }) => state)).toEqual(['dead', 'dead']);
  expect(['open', 'half-open']).toContain(links[0]?.breaker);
  const listed = await listedBy(member, dark);
  expect(listed).toMatchObject({ answered: false });
  expect(listed?.reason).toMatch(/set aside|did not answer|no connection/);
}

/** The word of the cluster needs a second observer, who has to be asked first (B-13). */
async function untilCalledFailed(member: DarkMember, dark: DarkMember): Promise<void> {
  await until(async () => (await listedBy(member, dark))?.status === 'failed', {
    timeoutMs: verdictMs,
    what: () => `${member.name} to call ${dark.name} failed`,
  });
}

async function untilTakenBack(member: DarkMember, dark: DarkMember): Promise<void> {
  await until(
    async () => {
      const [links, listed] = [await member.links(dark), await listedBy(member, dark)];
      return links[0]?.breaker === 'closed' && listed?.status === 'healthy';
    },
    { timeoutMs: returnMs, what: () => `${member.name} to take ${dark.name} back` },
  );
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
  const [own, theirs] = await Promise.all([member.standing(), other.standing()]);
  return own.appliedIndex >= theirs.appliedIndex - writesPerSecond && (await member.isReady());
}

/** What a reader of the run wants to know, whether it went well or not. */
function tell({ role, way }: Trial, made: Made, { cutAtMs, healedAtMs }: Window): void {
  const isInTheDark = ({ startedMs }: Attempt): boolean =>
    startedMs >= cutAtMs && startedMs < healedAtMs;
  const inTheDark = made.writes.filter(isInTheDark);
  const failed = inTheDark.filter((attempt) => !isApplied(attempt));
  const kinds = new Set(failed.map(({ result, body }) => codeOf(body) ?? result));
  const told = kinds.size > 0 ? ` (${[...kinds].join(', ')})` : '';
  const lastFailure = Math.max(0, ...failed.map(({ startedMs }) => startedMs - cutAtMs));
  const after = made.writes.filter((one) => one.startedMs >= healedAtMs && !isApplied(one));
  process.stdout.write(
    `${role} ${way}: ${inTheDark.length} writes, ${failed.length} failed${told}, ` +
      `the last one sent ${Math.round(lastFailure)} ms after the cut; slowest ` +
      `${slowest(inTheDark)} ms; ${after.length} failed after the heal; slowest call of ` +
      `${made.calls.length} ${slowest(made.calls)} ms, slowest look of ${made.looks.length} ` +
      `${slowest(made.looks)} ms\n`,
  );
}

const slowest = (attempts: readonly Attempt[]): number =>
  Math.round(Math.max(0, ...attempts.map(({ tookMs }) => tookMs)));

const codeOf = (body: string | undefined): string | undefined =>
  body === undefined ? undefined : (JSON.parse(body) as { readonly code: string }).code;
