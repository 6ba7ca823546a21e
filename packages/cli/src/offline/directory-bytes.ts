// How much there is to read in a data directory: for a progress, so nothing is opened for writing.
import type { Disk } from '@holdfast/storage/disk';

import { logDirectory, snapshotDirectory } from './file-check.ts';

export async function directoryBytes(disk: Disk): Promise<number> {
  let bytes = 0;
  for (const directory of [snapshotDirectory, logDirectory]) {
    for (const name of await disk.list(directory)) {
      if (!/\.(snap|seg)$/.test(name)) continue;
      const file = await disk.open(`${directory}/${name}`, { readOnly: true });
      bytes += await file.size();
      await file.close();
    }
  }
  return bytes;
}
