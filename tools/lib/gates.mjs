// The gates that `verify` and `test` share. None of them changes a source file.
import { existsSync } from 'node:fs';
import { binary, buildCommand, tool } from './workspace.mjs';

const node = process.execPath;

/** @type {readonly import('./steps.mjs').Step[]} */
export const staticGates = [
  { name: 'build (tsc -b)', command: buildCommand() },
  { name: 'types, tests included (tsc)', command: tsc('-p', 'tsconfig.check.json') },
  {
    name: 'format and lint (biome)',
    command: [node, tool('@biomejs/biome/bin/biome'), 'check', '--error-on-warnings'],
  },
  { name: 'promises and unions (oxlint)', command: [node, tool('oxlint/bin/oxlint')] },
  {
    name: 'dead files and exports (knip)',
    command: [node, tool('knip/bin/knip.js'), '--no-progress', '--treat-config-hints-as-errors'],
  },
  {
    name: 'wire contracts (buf lint)',
    command: [node, tool('@bufbuild/buf/bin/buf'), 'lint'],
    folder: 'packages/proto',
  },
];

/** @param {readonly string[]} args */
function tsc(...args) {
  return [node, tool('typescript/bin/tsc'), ...args];
}

/**
 * The simulator over its first seeds; none as long as the command cannot be built.
 * @param {number} count
 * @returns {readonly import('./steps.mjs').Step[]}
 */
export function seeds(count) {
  if (!existsSync(binary)) return [];
  const wanted = process.env.HOLDFAST_SEEDS ?? String(count);
  const command = [node, binary, 'simulate', '--seeds', wanted];
  return [{ name: `simulator, ${wanted} seeds`, command }];
}

/** @param {readonly string[]} args */
export const vitest = (...args) => [node, tool('vitest/vitest.mjs'), 'run', ...args];
