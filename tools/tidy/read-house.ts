// Reads the repository from disk: every text file that could be committed.
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join, relative, sep } from 'node:path';
import { House } from './house.ts';

const skipped = new Set(['node_modules', 'dist', '.git', '.holdfast', 'coverage']);
const bytesMax = 4 * 1024 * 1024;

export function readHouse(root: string): House {
  const texts: Record<string, string> = {};
  const visit = (folder: string): void => {
    for (const entry of readdirSync(folder, { withFileTypes: true })) {
      if (skipped.has(entry.name)) continue;
      const full = join(folder, entry.name);
      if (entry.isDirectory()) visit(full);
      else if (entry.isFile()) texts[relative(root, full).split(sep).join('/')] = readText(full);
    }
  };
  visit(root);
  return new House(texts);
}

/** Pictures and big files count as being there, and have no text. */
function readText(path: string): string {
  if (statSync(path).size > bytesMax) return '';
  const bytes = readFileSync(path);
  return bytes.includes(0) ? '' : bytes.toString('utf8');
}
