// Where a member keeps the scheduled backups: their names, the room for them, and which go when a
// newer one is there. It touches nothing that is not named as a backup of this very cluster.
import { stat } from 'node:fs/promises';

import { HoldfastError, messageOf } from '@holdfast/base/errors';
import { type ClusterId, formatId } from '@holdfast/base/ids';
import type { OpenBackup } from '@holdfast/engine/backups';
import { checkBackup, readPieces, writeBackup } from '@holdfast/storage/backup-files';
import { BackupReader, type BackupSummary } from '@holdfast/storage/backup-reader';
import type { Disk } from '@holdfast/storage/disk';
import { makeDirectories, NodeDisk } from '@holdfast/storage/node-disk';

export type BackupDirectoryOptions = {
  /** Absolute. */
  readonly path: string;
  /** Absolute; the log must find room there, whatever a backup takes. */
  readonly dataDir: string;
  readonly kept: number;
  /** Of `path`; default: this machine's own. */
  readonly disk?: Disk;
};

export type KeptBackup = { readonly file: string; readonly summary: BackupSummary };

const mebibyte = 1024 * 1024;
const suffix = '.backup';

export class BackupDirectory {
  readonly #options: BackupDirectoryOptions;
  readonly #disk: Disk;

  constructor(options: BackupDirectoryOptions) {
    this.#options = options;
    this.#disk = options.disk ?? new NodeDisk(options.path);
  }

  /** Makes the directory, if it is not there. Throws `disk-full` where a backup might not fit. */
  async prepare(storeBytes: number): Promise<void> {
    const { path, dataDir } = this.#options;
    try {
      makeDirectories(path, 0o700);
    } catch (error) {
      const message = `the directory for backups, ${path}, can not be made: ${messageOf(error)}`;
      throw new HoldfastError('failed-precondition', message, { cause: error });
    }
    const isShared = (await stat(path)).dev === (await stat(dataDir)).dev;
    const needed = roomFor(storeBytes, isShared);
    const free = await this.#disk.freeBytes();
    if (free >= needed) return;
    const why = isShared ? ', which the data of this member must have room on, too' : '';
    throw new HoldfastError(
      'disk-full',
      `no backup is begun: ${mib(free)} MiB are free below ${path}${why}, and ${mib(needed)} ` +
        'are wanted',
    );
  }

  /** Writes it, reads it back, and drops it if its state is in doubt; older ones stay. */
  async keep(backup: OpenBackup, signal: AbortSignal): Promise<KeptBackup> {
    const { clusterId, revision, createdAtMs } = backup.head;
    await this.#removeUnfinished(clusterId);
    const file = nameOf({ clusterId, revision, atMs: createdAtMs });
    await writeBackup(backup.pieces, {
      disk: this.#disk,
      path: file,
      unfinishedPath: `${file}.tmp`,
      reader: new BackupReader(),
      signal,
    });
    const summary = await this.#readBack(file, signal);
    try {
      backup.requireSound();
    } catch (error) {
      await this.drop(file);
      throw error;
    }
    return { file, summary };
  }

  /** It is not to be found any more. Never rejects: what is told is why. */
  async drop(file: string): Promise<void> {
    try {
      await this.#disk.remove(file);
      await this.#disk.syncDirectory('');
    } catch {
      // As it says above.
    }
  }

  /** Of this cluster the newest stay, as many as are to be kept. */
  async retain(clusterId: ClusterId): Promise<void> {
    const files = await this.files(clusterId);
    for (const name of files.slice(0, Math.max(0, files.length - this.#options.kept))) {
      await this.#disk.remove(name);
    }
    await this.#disk.syncDirectory('');
  }

  /** Of this cluster, oldest first. */
  async files(clusterId: ClusterId): Promise<readonly string[]> {
    const names = await this.#disk.list('');
    return names.filter((name) => name.startsWith(prefixOf(clusterId)) && name.endsWith(suffix));
  }

  async #readBack(file: string, signal: AbortSignal): Promise<BackupSummary> {
    try {
      return await checkBackup(new BackupReader(), readPieces(this.#disk, file), signal);
    } catch (error) {
      signal.throwIfAborted();
      await this.drop(file);
      throw error;
    }
  }

  /** Left by one who died in the middle; nobody else writes here while the claim is held. */
  async #removeUnfinished(clusterId: ClusterId): Promise<void> {
    for (const name of await this.#disk.list('')) {
      const isOne = name.startsWith(prefixOf(clusterId)) && name.endsWith(`${suffix}.tmp`);
      if (isOne) await this.#disk.remove(name);
    }
  }
}

const prefixOf = (clusterId: ClusterId): string => `holdfast-${formatId(clusterId)}-`;

/** Names sort by revision. */
function nameOf(of: {
  readonly clusterId: ClusterId;
  readonly revision: number;
  readonly atMs: number;
}): string {
  const at = new Date(of.atMs).toISOString().replace(/[-:]|\.\d+/g, '');
  const revision = String(of.revision).padStart(16, '0');
  return `${prefixOf(of.clusterId)}${revision}-${at}${suffix}`;
}

/** The backup; beside it, where they share a disk, the log and the next snapshot. */
export const roomFor = (storeBytes: number, isShared: boolean): number =>
  isShared ? 2.5 * storeBytes + 256 * mebibyte : 1.1 * storeBytes + 16 * mebibyte;

const mib = (bytes: number): number => Math.floor(bytes / mebibyte);
