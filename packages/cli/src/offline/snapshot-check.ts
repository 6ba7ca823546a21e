// The snapshots of a data directory: each one read to its end, every block and the whole. A bad one
// is set aside on the overlay only.
import { isHoldfastError } from '@holdfast/base/errors';
import type { LogId } from '@holdfast/raft/entry';
import type { OverlayDisk } from '@holdfast/storage/overlay-disk';
import { SnapshotFiles } from '@holdfast/storage/snapshot-files';

import { snapshotDirectory } from './file-check.ts';
import type { Finding } from './finding.ts';

export type SnapshotView = {
  readonly last: LogId;
  readonly bytes: number;
  readonly stateHash: bigint;
};

export type SnapshotCheck = {
  /** Those that read back whole, newest first. */
  readonly snapshots: readonly SnapshotView[];
  readonly findings: readonly Finding[];
};

export async function checkSnapshots(
  disk: OverlayDisk,
  signal: AbortSignal,
): Promise<SnapshotCheck> {
  const files = new SnapshotFiles({ disk, directory: snapshotDirectory });
  const snapshots: SnapshotView[] = [];
  for (const snapshot of await files.open()) {
    try {
      for await (const _ of files.read(snapshot)) signal.throwIfAborted();
      const { last, bytes, stateHash } = snapshot;
      snapshots.push({ last, bytes, stateHash });
    } catch (error) {
      // What is wrong with it stands in files.bad; the others are still to be read.
      if (!isHoldfastError(error, 'corrupt')) throw error;
    }
  }
  const findings = files.bad.map(({ name, reason }) => ({
    severity: 'damage' as const,
    file: `${snapshotDirectory}/${name}`,
    what: `the snapshot cannot be used: ${reason}`,
    means:
      snapshots.length > 0
        ? 'a start sets it aside, loads the other one and replays a longer log'
        : 'a start sets it aside; there is no other one',
  }));
  await files.close();
  return { snapshots, findings };
}
