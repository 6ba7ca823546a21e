// From a configuration's name to a file below a directory, and to no other place: a name comes from
// whoever may publish, so it is not trusted with this machine's files.
import { mkdir, realpath } from 'node:fs/promises';
import { dirname, join, sep } from 'node:path';

import { HoldfastError } from '@holdfast/base/errors';

/**
 * Where the file goes, with its folders made. Throws `invalid-argument` for a name that is
 * absolute, steps upwards, or would pass through a link that leads out of `root`, which is a real
 * path.
 */
export async function prepareSafePath(root: string, name: string): Promise<string> {
  const reason = whyUnsafe(name);
  if (reason !== undefined) throw refused(name, reason);
  const path = join(root, ...name.split('/'));
  await makeFolders(root, name);
  const parent = await realpath(dirname(path));
  if (parent !== root && !parent.startsWith(root.endsWith(sep) ? root : root + sep)) {
    throw refused(name, 'a link in the directory leads out of it');
  }
  return path;
}

/** Undefined: the name stays below any directory that it is joined to. */
export function whyUnsafe(name: string): string | undefined {
  if (name === '') return 'it is empty';
  if (name.startsWith('/')) return 'it is absolute';
  if (name.includes('\0')) return 'it has a zero byte';
  if (name.includes('\\') && sep === '\\') return 'it has a backslash';
  const segments = name.split('/');
  if (segments.some((segment) => segment === '..' || segment === '.')) return 'it has . or ..';
  if (segments.some((segment) => segment === '')) return 'it has an empty part';
  return undefined;
}

/** One level after the other, each looked at before the next: mkdir would go through links. */
async function makeFolders(root: string, name: string): Promise<void> {
  let at = root;
  for (const segment of name.split('/').slice(0, -1)) {
    at = join(at, segment);
    try {
      await mkdir(at);
    } catch (error) {
      if ((error as { code?: string }).code !== 'EEXIST') throw error;
    }
    const real = await realpath(at);
    if (!real.startsWith(root.endsWith(sep) ? root : root + sep)) {
      throw refused(name, 'a link in the directory leads out of it');
    }
  }
}

const refused = (name: string, reason: string): HoldfastError =>
  new HoldfastError('invalid-argument', `the name ${JSON.stringify(name)} is no file: ${reason}`);
