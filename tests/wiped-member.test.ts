// All three members restart and one of them has lost its disk. Goal: it is refused from the first
// moment, by members that have not replayed their logs yet (safety.md 15): its empty hands help
// nobody to a majority, and nothing acknowledged is lost. Method: `kill -9` for all, one directory
// deleted; the wiped one and one other start alone, then the third comes.
import { existsSync, mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { ProcessCluster, type ProcessMember, until } from './support/process-cluster.ts';
import { Recorder } from './support/recorder.ts';

type View = { readonly role: string };
/** Many elections long. */
const aloneMs = 4000;

describe('a member that was wiped while all were down', () => {
  it('is refused from the first moment, and the others serve what they had', async () => {
    await using cluster = await ProcessCluster.start(3);
    const [wiped, first, second] = cluster.members as [ProcessMember, ProcessMember, ProcessMember];
    const recorder = new Recorder();
    for (let at = 0; at < 50; at += 1) await recorder.write(wiped, `kept-${at}`, `value ${at}`);
    expect(recorder.acknowledged.size).toBe(50);
    await untilKnown(cluster);
    await Promise.all(cluster.running.map((member) => member.kill()));
    rmSync(wiped.place.dataDir, { recursive: true });
    mkdirSync(wiped.place.dataDir);
    wiped.start();
    first.start();
    await until(() => says(wiped, 'was bound to another data directory'), {
      timeoutMs: 60_000,
      what: () => `the wiped member to be told why\n${cluster.logs()}`,
    });
    await expectNoLeader([wiped, first], aloneMs);
    second.start();
    await until(async () => (await first.isReady()) && (await second.isReady()), {
      timeoutMs: 60_000,
      what: () => `the two others to serve\n${cluster.logs()}`,
    });
    for (const member of [first, second]) await expectAll(member, recorder.acknowledged);
    await recorder.write(second, 'after', 'all');
    await expectAll(first, recorder.acknowledged);
    expect(recorder.acknowledged.get('after')).toBe('all');
    expect(await wiped.isReady()).toBe(false);
    expect(wiped.log.slice(wiped.log.lastIndexOf('listening for clients'))).not.toContain(
      'leader"',
    );
  });
});

/** Each has written down who is bound to which directory. */
async function untilKnown(cluster: ProcessCluster): Promise<void> {
  const files = cluster.members.map(({ place }) => join(place.dataDir, 'members'));
  await until(async () => files.every((path) => existsSync(path)), {
    timeoutMs: 20_000,
    what: () => `the files ${files.join(', ')}`,
  });
  await delay(500); // The last binding is saved after the first one.
}

const says = async (member: ProcessMember, words: string): Promise<boolean> =>
  member.log.includes(words);

async function expectNoLeader(members: readonly ProcessMember[], forMs: number): Promise<void> {
  const endMs = performance.now() + forMs;
  while (performance.now() < endMs) {
    for (const member of members) expect(await roleOf(member)).not.toBe('leader');
    await delay(50);
  }
}

async function roleOf(member: ProcessMember): Promise<string | undefined> {
  const view = await member.get('/v1/cluster').then(
    (answer) => answer.json() as Promise<Partial<View>>,
    () => undefined,
  );
  return view?.role;
}

async function expectAll(
  member: ProcessMember,
  acknowledged: ReadonlyMap<string, string>,
): Promise<void> {
  for (const [key, value] of acknowledged) {
    expect(await (await member.get(`/v1/kv/${key}`)).text()).toBe(value);
  }
}
