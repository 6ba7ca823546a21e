// Whether a member has ever lived in a directory: a tool that judges any other folder would call it
// sound. Looks at names only, and at those of the folders in it, one of which is often meant.
import { readdirSync } from 'node:fs';
import { join } from 'node:path';

import { HoldfastError } from '@holdfast/base/errors';
import { unfinishedMark } from '@holdfast/engine/restore-directory';

import { groupDirectory } from './file-check.ts';

const namedMax = 5;
/** Of a member that lives here, or that was to. */
const signs: ReadonlySet<string> = new Set(['identity', unfinishedMark]);

/** Throws `not-found`, with the directories that may be meant; or what the system says. */
export function expectMember(directory: string): void {
  const names = readdirSync(directory);
  if (names.some((name) => signs.has(name)) || hasGroup(directory)) return;
  const meant = names.map((name) => join(directory, name)).filter(hasIdentity);
  throw new HoldfastError('not-found', `${directory} is no member's data directory`, {
    details: { hint: hintOf(meant) },
  });
}

/** Without an identity, too, what Raft made durable is a member's: a start judges that. */
const hasGroup = (directory: string): boolean => listed(join(directory, groupDirectory)).length > 0;

const hasIdentity = (directory: string): boolean => listed(directory).includes('identity');

function listed(directory: string): readonly string[] {
  try {
    return readdirSync(directory);
  } catch {
    return []; // A file, or not for us to read: nothing that could be meant.
  }
}

function hintOf(meant: readonly string[]): string {
  if (meant.length === 0) return dataDirectoryHint;
  const more = meant.length > namedMax ? ' and others' : '';
  return `members have lived in ${meant.slice(0, namedMax).join(', ')}${more}: name one of them`;
}

export const dataDirectoryHint = 'name the --data-dir of a member, which holds the file `identity`';
