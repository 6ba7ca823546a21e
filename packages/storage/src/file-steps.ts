// The few sequences of disk operations that every durable file needs: a directory that survives, a
// file that is there whole or not at all.
import type { Disk, DiskFile } from './disk.ts';
import { diskErrorCode } from './disk-error.ts';

/** The directory that holds `path`; the root is '.'. */
export function parentOf(path: string): string {
  const slash = path.lastIndexOf('/');
  return slash < 0 ? '.' : path.slice(0, slash);
}

/** Makes a directory and its parents, each one's name durable in the one above. */
export async function makeDurableDirectory(disk: Disk, directory: string): Promise<void> {
  const parts = directory.split('/');
  for (let count = 1; count <= parts.length; count += 1) {
    const path = parts.slice(0, count).join('/');
    await disk.makeDirectory(path);
    await disk.syncDirectory(parentOf(path));
  }
}

/** Opens an existing file; undefined if there is none. */
export async function openIfThere(disk: Disk, path: string): Promise<DiskFile | undefined> {
  try {
    return await disk.open(path);
  } catch (error) {
    if (diskErrorCode(error) === 'ENOENT') return undefined;
    throw error;
  }
}

/** Removes a file; one that is not there is fine. */
export async function removeIfThere(disk: Disk, path: string): Promise<void> {
  try {
    await disk.remove(path);
  } catch (error) {
    if (diskErrorCode(error) !== 'ENOENT') throw error;
  }
}

/**
 * What `read` makes of its bytes; undefined where they are damaged both times. One wrong answer of
 * a disk (or of what lies between it and this process) is no damage, and a repair is dear.
 */
export async function readTwice<T>(read: () => Promise<T | undefined>): Promise<T | undefined> {
  return (await read()) ?? (await read());
}

/** Makes an empty file in place of one that a crash may have left. */
export async function createFresh(disk: Disk, path: string): Promise<DiskFile> {
  await removeIfThere(disk, path);
  return disk.open(path, { create: true });
}

/**
 * A file that appears with all its content: written beside, synced, renamed, directory synced. On a
 * failure nothing stands under `path`, and the unfinished file is taken away.
 */
export async function createWhole(
  disk: Disk,
  path: string,
  fill: (file: DiskFile) => Promise<void>,
): Promise<DiskFile> {
  const unfinished = `${path}.tmp`;
  const file = await createFresh(disk, unfinished);
  try {
    await fill(file);
    await file.sync();
    await disk.rename(unfinished, path);
    await disk.syncDirectory(parentOf(path));
    return file;
  } catch (error) {
    await discard(disk, file, unfinished);
    throw error;
  }
}

/** Best effort: the failure that led here is the one to tell, and open() sweeps what stays. */
export async function discard(disk: Disk, file: DiskFile, path: string): Promise<void> {
  await file.close().catch(() => undefined);
  await removeIfThere(disk, path).catch(() => undefined);
}

/** Bytes of one write while filling or copying: long enough to be fast, short enough to yield. */
export const bulkBytes = 1024 * 1024;
/** Syncs while filling, so that the last sync does not stall everybody else's (speed.md 5). */
const fillSyncBytes = 8 * bulkBytes;

/** Real zeros from `lo` to `hi`: blocks are allocated now, not when the log needs them. */
export async function fillZero(file: DiskFile, lo: number, hi: number): Promise<void> {
  const zeros = new Uint8Array(Math.max(0, Math.min(bulkBytes, hi - lo)));
  let unsyncedBytes = 0;
  for (let at = lo; at < hi; at += zeros.length) {
    const chunk = zeros.subarray(0, Math.min(zeros.length, hi - at));
    await file.write(at, chunk);
    unsyncedBytes += chunk.length;
    if (unsyncedBytes < fillSyncBytes) continue;
    await file.sync();
    unsyncedBytes = 0;
  }
}

/** Copies a whole file to a new name, durably. */
export async function copyWhole(disk: Disk, from: string, to: string): Promise<void> {
  const source = await disk.open(from, { readOnly: true });
  try {
    const size = await source.size();
    const copy = await createWhole(disk, to, async (file) => {
      for (let at = 0; at < size; at += bulkBytes) {
        await file.write(at, await source.read(at, Math.min(bulkBytes, size - at)));
      }
    });
    await copy.close();
  } finally {
    await source.close();
  }
}
