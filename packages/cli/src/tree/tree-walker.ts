// Walks directory trees and names what it finds. It streams: what it holds is one open directory a
// level, however many files there are. It follows no symbolic link, so no tree is endless.
import type { Dirent } from 'node:fs';
import { opendir } from 'node:fs/promises';
import { join } from 'node:path';

import { messageOf } from '@holdfast/base/errors';

/** A tree and the prefix that its files' names get. */
export type TreeRoot = { readonly directory: string; readonly prefix: string };

export type FoundFile = {
  readonly type: 'file';
  readonly path: string;
  /** With slashes, below the root's prefix. */
  readonly name: string;
};

export type FoundOther = {
  readonly type: 'skipped';
  readonly path: string;
  readonly reason: SkipReason;
  readonly detail: string;
};

export type SkipReason =
  | 'symbolic link'
  | 'not a regular file'
  | 'unreadable'
  | 'too large'
  | 'name refused'
  | 'refused';

export async function* walkTrees(
  roots: readonly TreeRoot[],
): AsyncGenerator<FoundFile | FoundOther> {
  for (const root of roots) yield* walk(root.directory, root.prefix);
}

async function* walk(directory: string, prefix: string): AsyncGenerator<FoundFile | FoundOther> {
  let entries: AsyncIterable<Dirent>;
  try {
    entries = await opendir(directory, { bufferSize: 256 });
  } catch (error) {
    yield { type: 'skipped', path: directory, reason: 'unreadable', detail: messageOf(error) };
    return;
  }
  for await (const entry of entries) {
    const path = join(directory, entry.name);
    const name = prefix === '' ? entry.name : `${prefix}/${entry.name}`;
    if (entry.isDirectory()) yield* walk(path, name);
    else yield classify(entry, path, name);
  }
}

function classify(entry: Dirent, path: string, name: string): FoundFile | FoundOther {
  if (entry.isSymbolicLink()) {
    return { type: 'skipped', path, reason: 'symbolic link', detail: 'links are not followed' };
  }
  if (!entry.isFile()) {
    const detail = 'a socket, pipe or device';
    return { type: 'skipped', path, reason: 'not a regular file', detail };
  }
  // Node writes the replacement character for bytes that are no UTF-8; such a name leads nowhere.
  if (name.includes('\ufffd')) {
    return { type: 'skipped', path, reason: 'name refused', detail: 'the name is not UTF-8' };
  }
  return { type: 'file', path, name };
}
