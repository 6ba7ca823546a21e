// Reads one regular file whole, but never more than a limit of it, and never through a link.
import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';

import { messageOf } from '@holdfast/base/errors';

import type { SkipReason } from './tree-walker.ts';

export type ReadResult =
  | { readonly type: 'content'; readonly content: Uint8Array }
  | { readonly type: 'skipped'; readonly reason: SkipReason; readonly detail: string };

/** Links, devices and what cannot be read are answers, not failures: a tree has some of each. */
export async function readFileBounded(path: string, bytesMax: number): Promise<ReadResult> {
  try {
    // Without waiting, because a pipe without a writer would block the open for ever.
    const flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
    await using file = await open(path, flags);
    const stat = await file.stat();
    if (!stat.isFile()) return skipped('not a regular file', 'it is no regular file any more');
    if (stat.size > bytesMax) return skipped('too large', `${stat.size} bytes`);
    const content = await readUpTo(file, stat.size, bytesMax);
    if (content === undefined) return skipped('too large', 'it grew while it was read');
    return { type: 'content', content };
  } catch (error) {
    if ((error as { code?: string }).code === 'ELOOP') {
      return skipped('symbolic link', 'links are not followed');
    }
    return skipped('unreadable', messageOf(error));
  }
}

/**
 * The size is a hint: a file may grow, and those of /proc say zero. Undefined: more than the limit.
 */
async function readUpTo(
  file: FileHandle,
  sizeHint: number,
  bytesMax: number,
): Promise<Uint8Array | undefined> {
  let buffer = Buffer.allocUnsafe(sizeHint + 1);
  let length = 0;
  for (;;) {
    const { bytesRead } = await file.read(buffer, length, buffer.length - length);
    length += bytesRead;
    if (bytesRead === 0) return buffer.subarray(0, length);
    if (length > bytesMax) return undefined;
    if (length === buffer.length) {
      buffer = Buffer.concat([buffer], Math.min(bytesMax + 1, buffer.length * 2 + 4_096));
    }
  }
}

const skipped = (reason: SkipReason, detail: string): ReadResult => ({
  type: 'skipped',
  reason,
  detail,
});
