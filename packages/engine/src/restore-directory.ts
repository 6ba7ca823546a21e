// Makes the data directory of a new cluster's first member from a backup. All ids are new and
// random: who lives here can not be taken for a member of the old cluster, nor for one of another
// restore of the same file. The other machines join it afterwards, and get the state from it.
import { assert } from '@holdfast/base/assert';
import { utf8 } from '@holdfast/base/bytes';
import type { Clock } from '@holdfast/base/clock';
import { HoldfastError } from '@holdfast/base/errors';
import {
  type ClusterId,
  clusterId,
  formatId,
  type MemberId,
  memberId,
  type Revision,
  revision,
  storeId,
} from '@holdfast/base/ids';
import type { Random } from '@holdfast/base/random';
import { backupKeys, backupKeyspace } from '@holdfast/domain/backup-key';
import { KvStore } from '@holdfast/mvcc/kv-store';
import { newConfiguration } from '@holdfast/raft/configuration';
import type { BackupHead } from '@holdfast/storage/backup-format';
import { type BackupSummary, openBackup } from '@holdfast/storage/backup-reader';
import type { Disk } from '@holdfast/storage/disk';
import { diskErrorCode, toOperatingError } from '@holdfast/storage/disk-error';
import { IdentityFile } from '@holdfast/storage/identity-file';
import { PeersFile } from '@holdfast/storage/peers-file';
import { knownVersion } from './cluster-version.ts';
import { makeGroup, storesIn } from './data-directory.ts';

export type RestoreOptions = {
  readonly disk: Disk;
  readonly random: Random;
  readonly clock: Clock;
  /** The bytes of the backup. */
  readonly pieces: AsyncIterable<Uint8Array>;
  /** Of the new cluster's first member. */
  readonly name: string;
  readonly peerAddress: string;
  /** By how much the revision moves on; 0: it stays, and so do all that can be read and watched. */
  readonly bumpRevision: number;
  /** Of the first file of the log. */
  readonly segmentBytes?: number;
  readonly signal: AbortSignal;
  /** Lets the event loop run (setImmediate). */
  readonly yieldNow: () => Promise<void>;
  readonly onProgress: (step: RestoreStep, bytes: number) => void;
};

export type RestoreStep = 'reading' | 'writing' | 'checking';

export type Restored = {
  readonly clusterId: ClusterId;
  readonly memberId: MemberId;
  readonly revision: Revision;
  readonly compactRevision: Revision;
  readonly keys: number;
  readonly stateHash: bigint;
  /** What was restored. */
  readonly backup: BackupSummary;
};

/** While it stands there, a restore was begun and has not ended: nobody may live here. */
export const unfinishedMark = 'restore-unfinished';
/** What a new file system brings along. */
const harmless: ReadonlySet<string> = new Set(['lost+found']);

/**
 * Throws `failed-precondition` where the directory holds something, `corrupt` and
 * `version-mismatch` for a backup that can not be used, `disk-full`, `unavailable`. What a failed
 * one has left is cleared away by the next.
 */
export async function restoreDirectory(options: RestoreOptions): Promise<Restored> {
  const { disk } = options;
  await requireEmpty(disk);
  const store = new KvStore({ yieldNow: options.yieldNow });
  const backup = await load(store, options);
  rebirth(store, backup.head, options);
  const identity = newIdentity(options.random);
  try {
    await begin(disk);
    await writeState(store, { options, backup, self: identity.memberId });
    await settleIn(identity, options);
    await disk.remove(unfinishedMark);
    await disk.syncDirectory('');
  } catch (error) {
    options.signal.throwIfAborted();
    throw toOperatingError(error, 'restoring a backup');
  }
  return {
    clusterId: identity.clusterId,
    memberId: identity.memberId,
    revision: store.revision,
    compactRevision: store.compactRevision,
    keys: store.keys,
    stateHash: BigInt.asUintN(64, store.stateHash),
    backup,
  };
}

/** Throws `failed-precondition` for a directory in which a restore was broken off. */
export async function refuseUnfinished(disk: Disk): Promise<void> {
  if (!(await disk.list('')).includes(unfinishedMark)) return;
  throw new HoldfastError(
    'failed-precondition',
    'the restore (or recover-quorum) that was to fill this data directory was broken off, and ' +
      'nobody can live in what it left: run that command again, or empty the directory',
  );
}

/** Nothing is overwritten but what an earlier try has left; what came beside that stays, too. */
async function requireEmpty(disk: Disk): Promise<void> {
  const names = (await disk.list('')).filter((name) => !isOfProcess(name) && !harmless.has(name));
  const isTriedBefore = names.includes(unfinishedMark);
  const others = isTriedBefore ? names.filter((name) => !isOfRestore(name)) : names;
  if (others.length === 0) return;
  const some = others.slice(0, 3).join(', ');
  throw new HoldfastError(
    'failed-precondition',
    `the directory holds something already (${some}): a backup is restored into an empty one, ` +
      'so that nothing is overwritten',
    { details: { hint: 'choose another --data-dir, or move away what is there' } },
  );
}

/** From here on somebody who would live here is told that he can not. */
async function begin(disk: Disk): Promise<void> {
  if ((await disk.list('')).includes(unfinishedMark)) return await clear(disk);
  const mark = await disk.open(unfinishedMark, { create: true });
  await mark.sync();
  await mark.close();
  await disk.syncDirectory('');
}

/** The lock of whoever works here. */
const isOfProcess = (name: string): boolean => name === 'pid' || name === 'lock';

/** What a restore makes at the root of a directory. */
const isOfRestore = (name: string): boolean =>
  name === unfinishedMark || /^(groups|(identity|peers)(\.tmp)?)$/.test(name);

/** All that is not an earlier try's was asked about before (requireEmpty). */
async function clear(disk: Disk): Promise<void> {
  const folders = ['groups/0/log/damaged', 'groups/0/log', 'groups/0/snapshots', 'groups/0', ''];
  for (const folder of folders) {
    for (const name of await disk.list(folder)) {
      if (name === unfinishedMark || isOfProcess(name) || harmless.has(name)) continue;
      await removeFile(disk, folder === '' ? name : `${folder}/${name}`);
    }
    await disk.syncDirectory(folder).catch(() => undefined); // One that is not there.
  }
}

async function removeFile(disk: Disk, path: string): Promise<void> {
  try {
    await disk.remove(path);
  } catch (error) {
    // A folder stays, and is used again.
    if (!['EISDIR', 'EPERM', 'ENOENT'].includes(diskErrorCode(error) ?? '')) throw error;
  }
}

/** Reads all of it into memory: every checksum, and whether it makes a state. */
async function load(store: KvStore, options: RestoreOptions): Promise<BackupSummary> {
  const { head, image, summary } = await openBackup(options.pieces);
  requireKnown(head);
  await store.restore(head.last, counted(image, 'reading', options));
  const backup = summary();
  assert(backup !== undefined, 'an image that was read to its end has a summary');
  requireSame(store, head);
  return backup;
}

async function* counted(
  pieces: AsyncIterable<Uint8Array>,
  step: RestoreStep,
  { signal, onProgress }: RestoreOptions,
): AsyncGenerator<Uint8Array, void, undefined> {
  let bytes = 0;
  for await (const piece of pieces) {
    signal.throwIfAborted();
    yield piece;
    bytes += piece.length;
    onProgress(step, bytes);
  }
}

function requireKnown({ clusterVersion, version }: BackupHead): void {
  if (clusterVersion <= knownVersion) return;
  throw new HoldfastError(
    'version-mismatch',
    `the backup is of cluster version ${clusterVersion} (Holdfast ${version}), and this version ` +
      `of Holdfast knows ${knownVersion} at most`,
  );
}

/** The head is for people and for the member to be; the state says it itself. */
function requireSame(store: KvStore, head: BackupHead): void {
  const isSame =
    BigInt.asUintN(64, store.stateHash) === head.stateHash && store.revision === head.revision;
  if (isSame) return;
  throw new HoldfastError('corrupt', 'the state in the backup is not the one that its head names');
}

function rebirth(store: KvStore, head: BackupHead, options: RestoreOptions): void {
  const { bumpRevision, clock } = options;
  if (bumpRevision === 0) return store.rebirth();
  const told = {
    fromCluster: formatId(head.clusterId),
    fromRevision: head.revision,
    atMs: Math.floor(clock.wallMs()),
  };
  store.rebirth({
    revision: revision(store.revision + bumpRevision),
    write: {
      keyspace: backupKeyspace,
      key: backupKeys.restored,
      value: utf8(JSON.stringify(told)),
      lease: 0n,
    },
  });
}

type NewIdentity = {
  readonly clusterId: ClusterId;
  readonly memberId: MemberId;
  readonly storeId: ReturnType<typeof storeId>;
};

const newIdentity = (random: Random): NewIdentity => ({
  clusterId: clusterId(random.identity()),
  memberId: memberId(random.identity()),
  storeId: storeId(random.identity()),
});

type Writing = {
  readonly options: RestoreOptions;
  readonly backup: BackupSummary;
  readonly self: MemberId;
};

/** Snapshot, status and an empty log behind it: as if all but the snapshot had been purged. */
async function writeState(store: KvStore, { options, backup, self }: Writing): Promise<void> {
  const { last } = backup.head;
  const { disk } = options;
  await makeGroup(disk);
  const { log, status, snapshots, reserve } = storesIn(options);
  try {
    await status.open();
    const state = { term: last.term, vote: undefined, repairing: undefined };
    await status.save({ state, installing: false });
    await snapshots.open();
    const configuration = newConfiguration({ voters: [self] });
    const writer = await snapshots.create({ last, configuration }, store.stateHash);
    try {
      const image = store.image().chunks();
      for await (const chunk of counted(image, 'writing', options)) await writer.write(chunk);
      await writer.commit();
    } catch (error) {
      await writer.abort();
      throw error;
    }
    await log.open();
    await log.reset(last);
    // What was written is what is there.
    for (const snapshot of await snapshots.open()) {
      for await (const _ of counted(snapshots.read(snapshot), 'checking', options));
    }
  } finally {
    await log.close();
    await status.close();
    await snapshots.close();
    await reserve.close();
  }
}

/** Who lives here: written last, as a start needs it. */
async function settleIn(identity: NewIdentity, options: RestoreOptions): Promise<void> {
  const { disk, name, peerAddress } = options;
  const peers = new PeersFile(disk);
  const file = new IdentityFile({ disk });
  try {
    await peers.open();
    const self = { memberId: identity.memberId, name, peerAddress };
    // Nobody founded it: if its snapshot is lost, it must not begin again with nothing.
    await peers.save({ founders: [], members: [self], isCandidate: false });
    await file.open();
    await file.create({ ...identity, name });
  } finally {
    await peers.close();
    await file.close();
  }
}
