// Goal: what real members record in production replays in the simulator to the state that they
// showed. Method: three processes with their recorders on, under writes, with their leader killed
// in the middle; then each one's recording through `holdfast simulate --replay`.
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { holdfast, ProcessCluster, type ProcessMember, until } from './support/process-cluster.ts';

type Shown = { readonly appliedIndex: number; readonly stateHash: string };

async function shownBy(member: ProcessMember): Promise<Shown> {
  return (await (await member.get('/v1/cluster')).json()) as Shown;
}

/** Writes until told to stop, through whoever runs; answers how many were acknowledged. */
async function write(cluster: ProcessCluster, signal: AbortSignal): Promise<number> {
  let count = 0;
  for (let number = 0; !signal.aborted; number += 1) {
    const member = cluster.running[number % cluster.running.length];
    const answer = await member
      ?.put(`/v1/kv/key-${number % 50}`, `value ${number}`)
      .catch(() => undefined);
    if (answer?.ok) count += 1;
  }
  return count;
}

async function allEqual(cluster: ProcessCluster): Promise<Shown> {
  let shown: readonly Shown[] = [];
  await until(
    async () => {
      shown = await Promise.all(cluster.members.map(shownBy));
      return new Set(shown.map(({ appliedIndex }) => appliedIndex)).size === 1;
    },
    { timeoutMs: 20_000, what: () => `one applied index: ${JSON.stringify(shown)}` },
  );
  return shown[0] as Shown;
}

describe('a recording of a real member', () => {
  it('replays to the same state hash, through the end of a leader', async () => {
    await using cluster = await ProcessCluster.start(3, ['--recording', 'on']);
    const writing = new AbortController();
    const written = write(cluster, writing.signal);
    await delay(1500);
    const leader = await cluster.leader();
    await leader.kill();
    await delay(2000);
    leader.start();
    await cluster.ready();
    await delay(500);
    writing.abort();
    expect(await written).toBeGreaterThan(50);
    const { appliedIndex, stateHash } = await allEqual(cluster);
    // A proof is due five times a second, and written soon after.
    await delay(1000);
    for (const member of cluster.members) await member.kill();
    for (const { place } of cluster.members) {
      const { code, out, err } = await holdfast(['simulate', '--replay', place.dataDir]);
      expect({ code, err }, out).toEqual({ code: 0, err: '' });
      const last = out.match(/same state hash ([0-9a-f]{16}) at index (\d+)/g)?.at(-1);
      expect(last).toContain(`same state hash ${stateHash} `);
      expect(Number(last?.split(' ').at(-1))).toBeGreaterThanOrEqual(appliedIndex);
    }
    const { dataDir } = leader.place;
    expect(readdirSync(join(dataDir, 'recording')).length, 'a segment a boot').toBeGreaterThan(1);
  });

  it('is not made by a member that was not told to', async () => {
    await using cluster = await ProcessCluster.start(1);
    await cluster.members[0]?.put('/v1/kv/a', 'b');
    await cluster.members[0]?.stop();
    expect(existsSync(join(cluster.members[0]?.place.dataDir ?? '', 'recording'))).toBe(false);
  });
});
