// Gives the module loader other texts for some source files. Loaded before tsx, whose own hook then
// takes the text from here. Plain JavaScript, because no TypeScript can be read before tsx.
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';

/** @type {ReadonlyMap<string, readonly { find: string, replace: string }[]>} */
let editsOf = new Map();

/** @param {readonly { file: string, find: string, replace: string }[]} edits with whole paths */
export function initialize(edits) {
  const byFile = new Map();
  for (const edit of edits) byFile.set(edit.file, [...(byFile.get(edit.file) ?? []), edit]);
  editsOf = byFile;
}

/** @type {import('node:module').LoadHook} */
export async function load(url, context, nextLoad) {
  const path = url.startsWith('file:') ? fileURLToPath(new URL(url).href.split('?')[0] ?? url) : '';
  const edits = editsOf.get(path);
  if (!edits) return nextLoad(url, context);
  let source = await readFile(path, 'utf8');
  for (const { find, replace } of edits) source = source.split(find).join(replace);
  return { format: 'module', source, shortCircuit: true };
}
