// `npm run fix`: everything that can be put right without thinking. Formatter, lint fixes, comment
// width, and the generated code of the wire contracts. Read the diff afterwards.

import { runSteps } from './lib/steps.mjs';
import { tool } from './lib/workspace.mjs';

const node = process.execPath;

const verdicts = await runSteps([
  {
    name: 'wire contracts (buf generate)',
    command: [node, tool('@bufbuild/buf/bin/buf'), 'generate'],
    folder: 'packages/proto',
  },
  { name: 'lint fixes (oxlint)', command: [node, tool('oxlint/bin/oxlint'), '--fix'] },
  { name: 'comment width', command: [node, 'tools/wrap-comments.mjs'] },
  { name: 'format (biome)', command: [node, tool('@biomejs/biome/bin/biome'), 'check', '--write'] },
]);
process.exitCode = verdicts.every(({ ok }) => ok) ? 0 : 1;
