// What the system says of a file and of the disk below it, for the watches.
import { stat, statfs } from 'node:fs/promises';

import { diskErrorCode, toOperatingError } from '@holdfast/storage/disk-error';

import type { DiskSpace } from './disk-watch.ts';

/** Device and inode: another file under the same name has others. Undefined: there is none. */
export async function identifyFile(path: string): Promise<string | undefined> {
  try {
    const { dev, ino } = await stat(path);
    return `${dev}-${ino}`;
  } catch (error) {
    if (diskErrorCode(error) === 'ENOENT') return undefined;
    throw toOperatingError(error, `looking at ${path}`);
  }
}

/** As an ordinary user may use it: blocks that are kept for the administrator are not free. */
export async function measureSpace(root: string): Promise<DiskSpace> {
  const { bavail, blocks, bsize } = await statfs(root);
  return { freeBytes: bavail * bsize, totalBytes: blocks * bsize };
}
