// Notices that the data directory of a living member was deleted or put away: it would go on
// acknowledging into files that nobody finds again. Looks every few seconds whether what was locked
// still stands under its name.
import type { Clock } from '@holdfast/base/clock';
import { sleep } from '@holdfast/base/clock';
import { HoldfastError } from '@holdfast/base/errors';

/** Which file a path leads to now: device and inode; undefined: to none. */
export type IdentifyFile = (path: string) => Promise<string | undefined>;

export type DirectoryWatchOptions = {
  readonly root: string;
  readonly clock: Clock;
  readonly identify: IdentifyFile;
};

const lookEveryMs = 2000;

/** Rejects with `failed-precondition` when it is gone; resolves when the signal aborts. */
export async function watchDirectory(
  { root, clock, identify }: DirectoryWatchOptions,
  signal: AbortSignal,
): Promise<void> {
  const paths = [root, `${root}/identity`];
  const before = await Promise.all(paths.map(identify));
  while (!signal.aborted) {
    await sleep(clock, lookEveryMs, signal).catch(() => undefined); // The loop looks at the signal.
    if (signal.aborted) return;
    const now = await Promise.all(paths.map(identify));
    if (now.every((file, at) => file === before[at])) continue;
    throw new HoldfastError(
      'failed-precondition',
      `the data directory ${root} was deleted or replaced while this member ran: what it still ` +
        'has open is lost to the next start. It ends; remove this member and add it again, or ' +
        'put the directory back before the next start',
      { details: { directory: root } },
    );
  }
}
