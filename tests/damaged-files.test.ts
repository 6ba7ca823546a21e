// An operator's worst afternoon: files of a stopped member are overwritten, cut or deleted. Goal:
// the member repairs itself from the others or refuses to start with a sentence; it never comes
// back with less than it had acknowledged. Method: damage, start, compare the state of all members.
import { readdirSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { expectConverged } from './support/converged.ts';
import { ProcessCluster, type ProcessMember } from './support/process-cluster.ts';

const smallFiles = [
  ...['--snapshot-entries-max', '100', '--snapshot-interval-ms', '200'],
  ...['--segment-bytes', '1048576'],
];

type Damage = (path: string) => void;
const zero: Damage = (path) => writeFileSync(path, Buffer.alloc(statSync(path).size));
const halve: Damage = (path) => truncateSync(path, Math.floor(statSync(path).size / 2));

const repairable: readonly (readonly [string, string, Damage, string])[] = [
  ['all of the log is zeroed', '.seg', zero, 'damaged from'],
  ['the log is gone', '.seg', rmSync, 'does not vote until it has repaired'],
  ['all snapshots are cut', '.snap', halve, 'a snapshot can not be used'],
  ['both copies of the status are zeroed', 'status', zero, 'no votes until'],
  ['the durable mark is zeroed', 'mark', zero, 'taking part'],
];

describe('a member with damaged files', () => {
  it('repairs itself from the others, and says so; or refuses to start', async () => {
    await using cluster = await ProcessCluster.start(3, smallFiles);
    const acknowledged = await write(cluster, 300);
    const leader = await cluster.leader();
    const victim = cluster.members.find((member) => member !== leader) as ProcessMember;
    for (const [what, file, damage, words] of repairable) {
      const said = await restartDamaged(victim, { file, damage });
      await cluster.ready();
      expect(said(), what).toContain(words);
      await expectConverged(cluster, acknowledged);
    }
    const said = await restartDamaged(victim, { file: 'identity', damage: zero });
    expect((await victim.exited()).code).toBe(11);
    expect(said()).toContain('the identity file cannot be read');
  });
});

/** What the member says from then on. */
async function restartDamaged(
  victim: ProcessMember,
  how: { readonly file: string; readonly damage: Damage },
): Promise<() => string> {
  await victim.stop();
  const { length } = victim.log;
  for (const path of filesEnding(victim.place.dataDir, how.file)) how.damage(path);
  victim.start();
  return () => victim.log.slice(length);
}

function filesEnding(directory: string, ending: string): readonly string[] {
  const entries = readdirSync(directory, { withFileTypes: true, recursive: true });
  const found = entries.filter((entry) => entry.isFile() && entry.name.endsWith(ending));
  expect(found, `files that end in ${ending}`).not.toEqual([]);
  return found.map((entry) => join(entry.parentPath, entry.name));
}

/** One after the other: writes of one turn would share an entry, and too few make no snapshot. */
async function write(cluster: ProcessCluster, count: number): Promise<ReadonlyMap<string, string>> {
  const acknowledged = new Map<string, string>();
  const member = await cluster.leader();
  for (let at = 0; at < count; at += 1) {
    const answer = await member.put(`/v1/kv/key-${at}`, `value-${at}`);
    if (answer.ok) acknowledged.set(`key-${at}`, `value-${at}`);
    await answer.arrayBuffer();
  }
  expect(acknowledged.size).toBe(count);
  return acknowledged;
}
