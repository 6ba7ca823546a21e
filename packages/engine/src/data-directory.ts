// One member's data directory, opened over a Disk: identity at its root, and what Raft makes
// durable under `groups/0/` (safety.md, "bytes to have": many groups stay possible). Locking the
// directory against a second process is the process's matter, not this file's.
import { HoldfastError } from '@holdfast/base/errors';
import type { ClusterId, MemberId } from '@holdfast/base/ids';
import { storeId } from '@holdfast/base/ids';
import type { Random } from '@holdfast/base/random';
import type {
  LogStore,
  MemberIdentity,
  SpaceReserve as ReservePort,
  SnapshotStore,
  StatusStore,
} from '@holdfast/replica/ports';
import type { Disk } from '@holdfast/storage/disk';
import { toOperatingError } from '@holdfast/storage/disk-error';
import { checkIdentity, IdentityFile } from '@holdfast/storage/identity-file';
import { QuarantineFile } from '@holdfast/storage/quarantine-file';
import { defaultSegmentBytes, SegmentedLog } from '@holdfast/storage/segmented-log';
import { SnapshotFiles } from '@holdfast/storage/snapshot-files';
import { SpaceReserve } from '@holdfast/storage/space-reserve';
import { StatusFile } from '@holdfast/storage/status-file';
import type { ScrubbedFiles } from './directory-scrub.ts';

export type DataDirectoryOptions = {
  readonly disk: Disk;
  readonly random: Random;
  /**
   * Who must live here: another cluster's or member's directory is refused (`cluster-mismatch`).
   */
  readonly clusterId: ClusterId;
  readonly memberId: MemberId;
  readonly name: string;
  readonly segmentBytes?: number;
  /** Told of each snapshot file that cannot be used. */
  readonly onBadSnapshot?: (bad: { readonly name: string; readonly reason: string }) => void;
};

export type DataDirectory = {
  readonly identity: MemberIdentity;
  /** Whether it was made just now. */
  readonly isNew: boolean;
  readonly log: LogStore;
  readonly status: StatusStore;
  readonly snapshots: SnapshotStore;
  readonly reserve: ReservePort;
  readonly quarantine: QuarantineFile;
  /** What is read again at rest. */
  readonly scrubbed: ScrubbedFiles;
};

const group = 'groups/0';

/**
 * Reads who lives here, or settles a new member in; log, status and snapshots are not opened yet.
 * Throws `cluster-mismatch`, `corrupt`, `version-mismatch`, or what the disk made of it:
 * `disk-full`, `unavailable`.
 */
export async function openDataDirectory(options: DataDirectoryOptions): Promise<DataDirectory> {
  const { identity, isNew } = await openFolders(options);
  return { identity, isNew, ...storesIn(options) };
}

type StoresOptions = Pick<DataDirectoryOptions, 'disk' | 'segmentBytes' | 'onBadSnapshot'>;

/** What Raft makes durable, wherever that stands in a data directory; nothing is opened yet. */
export function storesIn({
  disk,
  segmentBytes = defaultSegmentBytes,
  onBadSnapshot,
}: StoresOptions): Omit<DataDirectory, 'identity' | 'isNew'> {
  const reserve = new SpaceReserve({ disk, path: `${group}/reserve`, segmentBytes });
  const log = new SegmentedLog({ disk, directory: `${group}/log`, segmentBytes, reserve });
  const status = new StatusFile({ disk, path: `${group}/status` });
  const snapshots = new SnapshotFiles({
    disk,
    directory: `${group}/snapshots`,
    ...(onBadSnapshot ? { onBad: onBadSnapshot } : {}),
  });
  const quarantine = new QuarantineFile(disk, `${group}/quarantine`);
  const scrubbed = { log, status, snapshots, quarantine, identity: new IdentityFile({ disk }) };
  return { log, status, snapshots, reserve, quarantine, scrubbed };
}

async function openFolders(
  options: DataDirectoryOptions,
): Promise<Pick<DataDirectory, 'identity' | 'isNew'>> {
  const { disk } = options;
  try {
    const opened = await openIdentity(options);
    await makeGroup(disk);
    return opened;
  } catch (error) {
    throw toOperatingError(error, 'opening the data directory');
  }
}

/** Durable when resolved. */
export async function makeGroup(disk: Disk): Promise<void> {
  await disk.makeDirectory('groups');
  await disk.syncDirectory('');
  await disk.makeDirectory(group);
  await disk.syncDirectory('groups');
}

async function openIdentity(
  options: DataDirectoryOptions,
): Promise<{ readonly identity: MemberIdentity; readonly isNew: boolean }> {
  const { disk, random, clusterId, memberId, name } = options;
  const file = new IdentityFile({ disk });
  try {
    const found = await file.open();
    if (found) checkIdentity(found, { clusterId, memberId, name });
    else await refuseOrphan(disk);
    const fresh = { clusterId, memberId, name, storeId: storeId(random.identity()) };
    return { identity: found ?? (await file.create(fresh)), isNew: found === undefined };
  } finally {
    await file.close();
  }
}

/** A new identity beside an old log would let a member vote again that has voted (safety.md 15). */
async function refuseOrphan(disk: Disk): Promise<void> {
  if ((await disk.list(group)).length === 0) return;
  throw new HoldfastError(
    'corrupt',
    `the identity file is gone, but ${group} holds the data of a member: put the file back from ` +
      'a backup, or remove this member from the cluster and add it again with an empty data ' +
      'directory',
  );
}
