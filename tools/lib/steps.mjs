// Runs commands one after the other and shows a line for each: its name, its verdict, its time. The
// output of a command is shown only if it failed, or if it is meant to be watched.
import { spawn } from 'node:child_process';
import { root } from './workspace.mjs';

/**
 * @typedef {object} Step
 * @property {string} name
 * @property {readonly string[]} command
 * @property {string} [folder] below the root
 * @property {boolean} [watched] its output goes straight to the terminal
 * @property {boolean} [tells] the last lines of its output are shown also when it went well
 *
 * @typedef {object} Verdict
 * @property {string} name
 * @property {boolean} ok
 * @property {number} seconds
 */

/**
 * @param {readonly Step[]} steps
 * @returns {Promise<Verdict[]>} all of them: a failure does not hide what comes after it.
 */
export async function runSteps(steps) {
  const verdicts = [];
  for (const step of steps) verdicts.push(await runStep(step));
  return verdicts;
}

/** @param {Step} step @returns {Promise<Verdict>} */
export async function runStep(step) {
  const startedMs = performance.now();
  if (step.watched) process.stdout.write(`\n${step.name}\n`);
  const { status, output } = await run(step);
  const verdict = {
    name: step.name,
    ok: status === 0,
    seconds: (performance.now() - startedMs) / 1000,
  };
  const told = step.tells ? lastLines(output) : '';
  if (!step.watched) process.stdout.write(`${lineOf(verdict)}\n${verdict.ok ? told : output}`);
  return verdict;
}

/** @param {string} output */
const lastLines = (output) =>
  output
    .trimEnd()
    .split('\n')
    .slice(-3)
    .map((line) => `    ${line}\n`)
    .join('');

/** @param {Verdict} verdict */
export const lineOf = ({ name, ok, seconds }) =>
  `  ${name.padEnd(34)} ${ok ? 'ok    ' : 'FAILED'} ${seconds.toFixed(1).padStart(6)} s`;

/** @param {Step} step @returns {Promise<{ status: number | null, output: string }>} */
function run({ command, folder = '.', watched = false }) {
  const [program = '', ...args] = command;
  return new Promise((resolve) => {
    const child = spawn(program, args, {
      cwd: `${root}/${folder}`,
      stdio: watched ? ['ignore', 'inherit', 'inherit'] : ['ignore', 'pipe', 'pipe'],
    });
    let output = '';
    const keep = (/** @type {Buffer} */ chunk) => {
      output += chunk.toString();
    };
    child.stdout?.on('data', keep);
    child.stderr?.on('data', keep);
    child.on('error', (error) => resolve({ status: 1, output: `${error.message}\n` }));
    child.on('close', (status) => resolve({ status, output }));
  });
}
