// Wraps the comments of all sources in place; a step of `npm run fix`.
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { root } from './lib/workspace.mjs';
import { wrapComments } from './lib/wrap.mjs';

const folders = ['packages', 'tools', 'tests'].filter((folder) => existsSync(join(root, folder)));
const skipped = /(^|\/)(node_modules|dist|generated|testdata)(\/|$)/;

for (const folder of folders) {
  for (const path of readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })) {
    if (skipped.test(path) || !/\.(ts|mjs|js)$/.test(path)) continue;
    const full = join(root, folder, path);
    const text = readFileSync(full, 'utf8');
    const wrapped = wrapComments(text);
    if (wrapped !== text) writeFileSync(full, wrapped);
  }
}
