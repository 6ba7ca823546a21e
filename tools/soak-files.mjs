// `npm run soak:power`, `soak:flips`, `soak:members` and `soak:dark`: tests on real processes,
// repeated far beyond what `npm test` has time for. Each test prints its own seed and figures.
import { spawnSync } from 'node:child_process';
import { vitest } from './lib/gates.mjs';
import { root } from './lib/workspace.mjs';

/** What is attacked -> the tests, and how often; HOLDFAST_REPETITIONS says otherwise. */
const attacks = new Map([
  ['power', [{ file: 'tests/power-cuts.test.ts', times: 50 }]],
  ['flips', [{ file: 'tests/bit-flips.test.ts', times: 200 }]],
  [
    'members',
    [
      { file: 'tests/membership.test.ts', times: 20 },
      { file: 'tests/recover-quorum.test.ts', times: 20 },
    ],
  ],
  [
    'dark',
    [
      { file: 'tests/dark-detection.test.ts', times: 100 },
      { file: 'tests/dark-times.test.ts', times: 20 },
      // Seconds in the dark: five minutes.
      { file: 'tests/dark-machine.test.ts', times: 300 },
    ],
  ],
]);

/** @param {{ file: string, times: number }} attack */
function run({ file, times }) {
  const HOLDFAST_REPETITIONS = process.env.HOLDFAST_REPETITIONS ?? String(times);
  const [program = '', ...args] = vitest('--project', 'e2e', file);
  const env = { ...process.env, HOLDFAST_REPETITIONS };
  return spawnSync(program, args, { cwd: root, env, stdio: 'inherit' }).status ?? 1;
}

const name = process.argv[2] ?? '';
const attack = attacks.get(name);
if (attack) {
  process.exitCode = Math.max(...attack.map(run));
} else {
  process.stderr.write(`soak-files: one of ${[...attacks.keys()].join(', ')}, not "${name}".\n`);
  process.exitCode = 2;
}
