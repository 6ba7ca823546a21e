// A member that is brought up to date by a snapshot is killed, and then told to end, in the middle
// of it. Goal: it still has what it had, goes on receiving after its next start, and ends in the
// same state as the others. Method: a small log and a slow sender, so that the file of the snapshot
// that is under way can be seen growing.
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'vitest';
import { expectConverged } from './support/converged.ts';
import { fill } from './support/fill.ts';
import { ProcessCluster, type ProcessMember, until } from './support/process-cluster.ts';

const flags = [
  ...['--snapshot-entries-max', '100', '--snapshot-interval-ms', '0'],
  ...['--segment-bytes', '1048576', '--snapshot-send-mbps', '8'],
];
/** An entry for each key: enough of them that the log is purged beyond what the victim has. */
const state = { keysPerTxn: 1, valueBytes: 50_000 };
/**
 * Between two such marks there are enough bytes for the next cut. What is sent is the snapshot that
 * was the newest when the log was first purged beyond the victim: it has 160 entries at the least.
 */
const cutsAtBytes = [1_000_000, 4_000_000];

describe('a member that gets a snapshot', () => {
  it('bears kill -9 and SIGTERM in the middle of it, and converges', async () => {
    await using cluster = await ProcessCluster.start(3, flags);
    const leader = await cluster.leader();
    const written = new Map(await fill(leader, { ...state, name: 'before', keys: 40 }));
    const victim = cluster.members.find((member) => member !== leader) as ProcessMember;
    await victim.stop();
    const more = await fill(leader, { ...state, name: 'after', keys: 500 });
    for (const [key, value] of more) written.set(key, value);
    for (const [at, bytes] of cutsAtBytes.entries()) {
      victim.start();
      await untilReceived(cluster, victim, bytes);
      await (at === 0 ? victim.kill() : victim.stop());
    }
    victim.start();
    await cluster.ready(60_000);
    await expectConverged(cluster, written);
  });
});

async function untilReceived(
  cluster: ProcessCluster,
  victim: ProcessMember,
  bytes: number,
): Promise<void> {
  await until(async () => receivedBytes(victim.place.dataDir) >= bytes, {
    timeoutMs: 60_000,
    everyMs: 5,
    what: () => `${bytes} bytes of a snapshot at ${victim.place.name}\n${cluster.logs()}`,
  });
}

/** Of the snapshot that is under way; 0 = none is. */
function receivedBytes(dataDir: string): number {
  const entries = readdirSync(dataDir, { withFileTypes: true, recursive: true });
  const part = entries.find((entry) => entry.name.endsWith('.part'));
  if (!part) return 0;
  // Between the listing and the look it may have become the snapshot itself.
  return statSync(join(part.parentPath, part.name), { throwIfNoEntry: false })?.size ?? 0;
}
