// A backup file, read to its end: every checksum, and with `deep` whether it makes a state. Reads
// only.
import { stat } from 'node:fs/promises';
import { basename, dirname, resolve } from 'node:path';

import { type HoldfastError, isHoldfastError } from '@holdfast/base/errors';
import { KvStore } from '@holdfast/mvcc/kv-store';
import { checkBackup, readPieces } from '@holdfast/storage/backup-files';
import { BackupReader, type BackupSummary, openBackup } from '@holdfast/storage/backup-reader';
import { NodeDisk } from '@holdfast/storage/node-disk';

export type BackupCheck = {
  /** Undefined: it is damaged. */
  readonly summary: BackupSummary | undefined;
  readonly damage: HoldfastError | undefined;
  /** Of the state; only a deep check looks. */
  readonly keys: number | undefined;
};

export type BackupCheckOptions = {
  readonly deep: boolean;
  readonly signal: AbortSignal;
  readonly onRead: (bytes: number) => void;
};

/** Bytes of the file; undefined: it is a directory, or nothing. */
export async function fileBytes(path: string): Promise<number | undefined> {
  try {
    const found = await stat(path);
    return found.isFile() ? found.size : undefined;
  } catch {
    return undefined; // Who looks for a directory there says it better.
  }
}

/** The bytes of the file in pieces, each overwritten by the next. */
export const backupPieces = (
  path: string,
  onRead: (bytes: number) => void,
): AsyncGenerator<Uint8Array, void, undefined> =>
  readPieces(new NodeDisk(dirname(resolve(path))), basename(path), onRead);

/** Throws only what is no damage: a file of a newer version, or none of ours. */
export async function checkBackupFile(
  path: string,
  options: BackupCheckOptions,
): Promise<BackupCheck> {
  const { deep, signal, onRead } = options;
  const pieces = backupPieces(path, onRead);
  try {
    if (deep) return await rehearse(pieces);
    const summary = await checkBackup(new BackupReader(), pieces, signal);
    return { summary, damage: undefined, keys: undefined };
  } catch (error) {
    if (!isHoldfastError(error, 'corrupt')) throw error;
    return { summary: undefined, damage: error, keys: undefined };
  }
}

/** Loads the state, as a restore does. */
async function rehearse(pieces: AsyncIterable<Uint8Array>): Promise<BackupCheck> {
  const store = new KvStore({ yieldNow: () => new Promise((next) => setImmediate(next)) });
  const { head, image, summary } = await openBackup(pieces);
  await store.restore(head.last, image);
  return { summary: summary(), damage: undefined, keys: store.keys };
}
