// The names of a MemoryDisk: which file stands under which path, now and on the medium. A rename is
// one change of both directories, as in a journal.
import { parentOf } from './file-steps.ts';
import type { MemoryFile } from './memory-file.ts';

/** A change of names that no syncDirectory() has made durable yet. */
export type NameChange =
  | { readonly kind: 'create'; readonly path: string; readonly file: MemoryFile }
  | { readonly kind: 'make-directory'; readonly path: string }
  | { readonly kind: 'remove'; readonly path: string }
  | {
      readonly kind: 'rename';
      readonly path: string;
      readonly to: string;
      readonly file: MemoryFile;
    };

export type Names = { readonly files: Map<string, MemoryFile>; readonly directories: Set<string> };

/** The root is '', also where it was called '.'. */
export const cleanPath = (path: string): string => (path === '.' ? '' : path);

/** Whether a sync of `directory` makes the change durable. */
export const touches = (change: NameChange, directory: string): boolean =>
  cleanPath(parentOf(change.path)) === directory ||
  (change.kind === 'rename' && cleanPath(parentOf(change.to)) === directory);

export function applyName(names: Names, change: NameChange): void {
  switch (change.kind) {
    case 'create':
      names.files.set(change.path, change.file);
      break;
    case 'make-directory':
      names.directories.add(change.path);
      break;
    case 'remove':
      names.files.delete(change.path);
      break;
    case 'rename':
      names.files.delete(change.path);
      names.files.set(change.to, change.file);
      break;
  }
}

/** What stood in a directory whose own name was lost is lost with it. */
export function dropOrphans(names: Names): void {
  const reachable = (path: string): boolean => {
    const parent = cleanPath(parentOf(path));
    return names.directories.has(parent) && (parent === '' || reachable(parent));
  };
  for (const path of names.directories) {
    if (path !== '' && !reachable(path)) names.directories.delete(path);
  }
  for (const path of names.files.keys()) if (!reachable(path)) names.files.delete(path);
}

export const copyNames = (names: Names): Names => ({
  files: new Map(names.files),
  directories: new Set(names.directories),
});
