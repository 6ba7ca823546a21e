// `npm run soak:power`, `npm run soak:flips` and `npm run soak:dark`: one test on real processes,
// repeated far beyond what `npm test` has time for. Each test prints its own seed and figures.
import { spawnSync } from 'node:child_process';
import { vitest } from './lib/gates.mjs';
import { root } from './lib/workspace.mjs';

/** What is attacked -> the test, and how often; HOLDFAST_REPETITIONS says otherwise. */
const attacks = new Map([
  ['power', { file: 'tests/power-cuts.test.ts', times: 50 }],
  ['flips', { file: 'tests/bit-flips.test.ts', times: 200 }],
  ['dark', { file: 'tests/dark-detection.test.ts', times: 100 }],
]);

const name = process.argv[2] ?? '';
const attack = attacks.get(name);
if (attack) {
  const HOLDFAST_REPETITIONS = process.env.HOLDFAST_REPETITIONS ?? String(attack.times);
  const [program = '', ...args] = vitest('--project', 'e2e', attack.file);
  const env = { ...process.env, HOLDFAST_REPETITIONS };
  const { status } = spawnSync(program, args, { cwd: root, env, stdio: 'inherit' });
  process.exitCode = status ?? 1;
} else {
  process.stderr.write(`soak-files: one of ${[...attacks.keys()].join(', ')}, not "${name}".\n`);
  process.exitCode = 2;
}
