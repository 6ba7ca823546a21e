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

/** The simulator over its first seeds. @param {number} count */
export function firstSeeds(count) {
  const args = ['--seeds', String(count), '--first-seed', '1'];
  return { name: `simulator, seeds 1 to ${count}`, command: [node, binary, 'simulate', ...args] };
}

/** Where reports of failing seeds are kept. */
export const keptReports = '.simulator';

/**
 * The simulator over other seeds each time, for so long: in a lane for each core, of steps that
 * follow each other. The second begins with the thousand power cycles of D-17, and both end at
 * about the same time. HOLDFAST_SEED is the first seed, HOLDFAST_SIMULATOR_SECONDS the time of the
 * first lane.
 * @returns {readonly (readonly import('./steps.mjs').Step[])[]}
 */
export function freshSeeds() {
  const seconds = Number(process.env.HOLDFAST_SIMULATOR_SECONDS ?? 200);
  const first = Number(process.env.HOLDFAST_SEED ?? Math.floor(Date.now() / 1000));
  const cycles = Math.min(1000, Math.ceil(seconds / 3) * 50);
  return [
    [seedsFor(first, seconds)],
    [powerCycles(first, cycles), seedsFor(first + seedsApart, Math.ceil(seconds / 2))],
  ];
}

/** More seeds than a lane can play. */
const seedsApart = 1_000_000;

/** @param {number} first @param {number} seconds @returns {import('./steps.mjs').Step} */
function seedsFor(first, seconds) {
  const time = ['--seconds', String(seconds), '--first-seed', String(first)];
  return {
    name: `simulator, ${seconds} s from seed ${first}`,
    command: [node, binary, 'simulate', ...time, '--world', 'all', '--keep', keptReports],
    tells: true,
  };
}

/** @param {number} first @param {number} cycles @returns {import('./steps.mjs').Step} */
function powerCycles(first, cycles) {
  const scenario = ['--scenario', 'power-cycles', '--times', '50'];
  const runs = ['--seeds', String(cycles / 50), '--first-seed', String(first)];
  return {
    name: `${cycles} power cycles from seed ${first}`,
    command: [node, binary, 'simulate', ...scenario, ...runs, '--keep', keptReports],
    tells: true,
  };
}

/** @param {readonly string[]} args */
export const vitest = (...args) => [node, tool('vitest/vitest.mjs'), 'run', ...args];
