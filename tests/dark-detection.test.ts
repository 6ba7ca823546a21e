// How soon a machine that goes dark is noticed by each of the others, idle or busy, cut off or
// frozen, and that it is taken back by itself. Method: four machines in the rig, one
// after another, with luck; what each survivor says of its links, looked at ten times a second.
import { SeededRandom } from '@holdfast/base/seeded-random';
import { describe, expect, it } from 'vitest';
import { monotonicMs } from '../tools/dark/system.ts';
import { DarkCluster } from './support/dark-cluster.ts';
import type { DarkMember } from './support/dark-member.ts';
import { noDark, skipped } from './support/no-dark.ts';
import { until } from './support/process-cluster.ts';
import { repetitions, seedOfRun } from './support/repetitions.ts';

/** */
const noticedMs = 8000;
/** For what asks: it is a look's time and an answer's later than what it sees. */
const lookMs = 500;
const returnMs = 30_000;
const trials = repetitions(10);

type Way = 'cut' | 'frozen';

describe.skipIf(noDark)(`a machine that goes dark${skipped}`, () => {
  it(
    'is noticed by every survivor within 8 s, and taken back',
    async () => {
      const random = new SeededRandom(seedOfRun());
      await using cluster = await DarkCluster.start(4);
      const times: number[] = [];
      for (let trial = 0; trial < trials; trial += 1) {
        const dark = cluster.members[random.integer(0, 4)] as DarkMember;
        const way: Way = random.fraction() < 0.7 ? 'cut' : 'frozen';
        const isBusy = random.fraction() < 0.5;
        const noticed = await darken(cluster, dark, { way, isBusy });
        times.push(...noticed);
      }
      times.sort((a, b) => a - b);
      process.stdout.write(
        `${trials} times dark: noticed by each survivor after ${times[times.length >> 1]} ms ` +
          `(median), ${times.at(-1)} ms at the latest\n`,
      );
      expect(times).toHaveLength(trials * 3);
    },
    60_000 + trials * 45_000,
  );
});

/** Milliseconds until each survivor has noticed; ends when the member is taken back. */
async function darken(
  cluster: DarkCluster,
  dark: DarkMember,
  { way, isBusy }: { readonly way: Way; readonly isBusy: boolean },
): Promise<readonly number[]> {
  const survivors = cluster.others(dark);
  const [asked] = survivors as [DarkMember];
  const writer = isBusy
    ? await cluster.client.start({
        calls: [asked.putCall('/v1/kv/busy-{n}', 'value')],
        perSecond: 50,
      })
    : undefined;
  if (way === 'cut') await cluster.rig.cut(dark.name);
  else await dark.freeze();
  const startMs = monotonicMs();
  const noticed = await Promise.all(
    survivors.map(async (member) => {
      await until(async () => await isSetAside(member, dark), {
        timeoutMs: noticedMs + lookMs,
        everyMs: 100,
        what: () => `${member.name} to notice that ${dark.name} is ${way}\n${cluster.logs()}`,
      });
      return Math.round(monotonicMs() - startMs);
    }),
  );
  if (way === 'cut') await cluster.rig.heal(dark.name);
  else dark.wake();
  await writer?.stop();
  for (const member of cluster.members) {
    await until(async () => await member.isWell(), {
      timeoutMs: returnMs,
      what: () => `${member.name} to be well again\n${cluster.logs()}`,
    });
  }
  return noticed;
}

/** Every link to it is dead, and no call is let through. */
async function isSetAside(member: DarkMember, dark: DarkMember): Promise<boolean> {
  const links = await member.links(dark);
  return (
    links.length > 0 &&
    links.every(({ state, breaker }) => state === 'dead' && breaker !== 'closed')
  );
}
