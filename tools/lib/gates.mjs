// The gates that `verify` and `test` share. None of them changes a source file.
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
 * The simulator over its first seeds, in as many processes as there are cores to spare.
 * @param {number} count
 * @returns {readonly import('./steps.mjs').Step[]}
 */
export function seeds(count, processes = 1) {
  const wanted = Number(process.env.HOLDFAST_SEEDS ?? count);
  const share = Math.ceil(wanted / processes);
  return Array.from({ length: processes }, (_, at) => {
    const first = 1 + at * share;
    const last = Math.min(wanted, first + share - 1);
    const range = ['--seeds', String(last - first + 1), '--first-seed', String(first)];
    return {
      name: `simulator, seeds ${first} to ${last}`,
      command: [node, binary, 'simulate', ...range],
    };
  });
}

/** @param {readonly string[]} args */
export const vitest = (...args) => [node, tool('vitest/vitest.mjs'), 'run', ...args];
