// Directories that a command is given for different ends must be different ones, whatever their
// names: a link, a dot or a detour is no other place.
import { realpathSync } from 'node:fs';
import { basename, dirname, join, relative, resolve } from 'node:path';

import { HoldfastError } from '@holdfast/base/errors';

/** Throws `invalid-argument` where two of them are one. */
export function requireApart(directories: readonly string[]): void {
  const seen = new Map<string, string>();
  for (const directory of directories) {
    const place = realPlace(directory);
    const other = seen.get(place);
    if (other !== undefined) throw refused(`${directory} and ${other} are the same directory`);
    seen.set(place, directory);
  }
}

/** Throws `invalid-argument` where `inner` is one of the directories, or lies in one. */
export function requireOutside(inner: string, directories: readonly string[]): void {
  for (const directory of directories) {
    const way = relative(realPlace(directory), realPlace(inner));
    if (way !== '..' && !way.startsWith('../')) {
      throw refused(`${inner} is in ${directory}, which stays as it is: name another place`);
    }
  }
}

/** Also of one that is not there yet. */
function realPlace(path: string): string {
  const absolute = resolve(path);
  try {
    return realpathSync(absolute);
  } catch {
    // It is not there yet, and stands where its parent does.
    const parent = dirname(absolute);
    return parent === absolute ? absolute : join(realPlace(parent), basename(absolute));
  }
}

const refused = (message: string): HoldfastError => new HoldfastError('invalid-argument', message);
