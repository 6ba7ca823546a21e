// Files by a list, one path a line: what `find` writes. Streamed, so that a long list costs
// nothing.
import { createReadStream } from 'node:fs';
import { lstat } from 'node:fs/promises';
import { isAbsolute, relative, resolve, sep } from 'node:path';
import { createInterface } from 'node:readline';
import { Readable } from 'node:stream';

import { messageOf } from '@holdfast/base/errors';

import type { Terminal } from '../terminal.ts';
import type { FoundFile, FoundOther } from './tree-walker.ts';

/** A name is the path below `base`; what lies elsewhere is named by its whole path. */
export async function* listedFiles(
  list: string,
  base: string,
  terminal: Terminal,
): AsyncGenerator<FoundFile | FoundOther> {
  const input = list === '-' ? Readable.from(terminal.input()) : createReadStream(list);
  // An error of the stream ends the loop below without a word unless it is passed on.
  const failed = new Promise<never>((_, reject) => input.once('error', reject));
  failed.catch(() => undefined);
  for await (const line of createInterface({ input, crlfDelay: Number.POSITIVE_INFINITY })) {
    if (line !== '') yield await look(resolve(base, line), base);
  }
  if (input.errored) await failed;
}

async function look(path: string, base: string): Promise<FoundFile | FoundOther> {
  try {
    const found = await lstat(path);
    if (found.isFile()) return { type: 'file', path, name: nameOf(path, base) };
    const isLink = found.isSymbolicLink();
    const reason = isLink ? 'symbolic link' : 'not a regular file';
    const detail = isLink ? 'links are not followed' : 'a folder, socket, pipe or device';
    return { type: 'skipped', path, reason, detail };
  } catch (error) {
    return { type: 'skipped', path, reason: 'unreadable', detail: messageOf(error) };
  }
}

function nameOf(path: string, base: string): string {
  const below = relative(base, path);
  const isBelow = below !== '' && !below.startsWith(`..${sep}`) && !isAbsolute(below);
  return (isBelow ? below : path.replace(/^\/+/, '')).split(sep).join('/');
}
