// `npm run soak`: the simulator over ever other seeds, in both worlds, until it is told to stop.
// One process for each core but one; reports of failing seeds and their list stay in .simulator/.
import { spawn } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { keptReports } from './lib/gates.mjs';
import { root } from './lib/workspace.mjs';

const lanes = Math.max(1, availableParallelism() - 1);
const first = Number(process.env.HOLDFAST_SEED ?? Math.floor(Date.now() / 1000));
/** More seeds than a lane can play. */
const seedsApart = 100_000_000;

/** @param {number} lane @returns {Promise<number>} */
function run(lane) {
  const seeds = ['--first-seed', String((first + lane * seedsApart) % 2 ** 32)];
  const ends = ['--seeds', String(10_000_000), '--world', 'all', '--keep', keptReports];
  const command = ['packages/cli/bin/holdfast.js', 'simulate', ...seeds, ...ends];
  return new Promise((resolve) => {
    const child = spawn(process.execPath, command, { cwd: root, stdio: 'inherit' });
    child.on('close', (code) => resolve(code ?? 1));
  });
}

// Ctrl-C goes to all of them: each ends its run, and tells what it has seen.
process.on('SIGINT', () => undefined);
const codes = await Promise.all(Array.from({ length: lanes }, (_, lane) => run(lane)));
process.exitCode = Math.max(...codes);
