// `npm test`: installs what is missing, builds, and runs everything there is to check. Its last
// line is the count alone. With arguments (`npm test -- raft`) it runs only the tests that they
// name.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { closingLine, countTests } from './lib/count-tests.mjs';
import { freshSeeds, staticGates, vitest } from './lib/gates.mjs';
import { lineOf, runStep, runSteps } from './lib/steps.mjs';
import { install, isInstalled, requireNode } from './lib/workspace.mjs';

/** On two cores, of all parts together (HACKING.md). */
const budgetSeconds = 1500;

/** @param {readonly string[]} filters */
async function runTests(filters) {
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-test-'));
  const reportPath = join(folder, 'report.json');
  const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${reportPath}`];
  try {
    const command = vitest(...reporters, ...filters);
    const verdict = await runStep({ name: 'tests (vitest)', command, watched: true });
    return { verdict, count: countTests(reportPath) };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** @param {readonly string[]} filters */
async function main(filters) {
  requireNode();
  if (!isInstalled() && !install()) return 1;
  const startedMs = performance.now();
  const isWhole = filters.length === 0;
  const verdicts = await runSteps(isWhole ? staticGates : staticGates.slice(0, 1));
  // One process a core: no test that looks at time runs beside them.
  if (isWhole) verdicts.push(...(await Promise.all(freshSeeds().map(runSteps))).flat());
  const { verdict, count } = await runTests(filters);
  // A gate that failed is a failure like a test's; so is a test run that failed without saying how.
  const broken = verdicts.filter(({ ok }) => !ok).length;
  const failed = broken + Math.max(count.failed, verdict.ok ? 0 : 1);
  const seconds = (performance.now() - startedMs) / 1000;
  const total = `  ${'all'.padEnd(34)}        ${seconds.toFixed(1).padStart(6)} s`;
  const lines = [...verdicts, verdict].map(lineOf);
  process.stdout.write(`\n${lines.join('\n')}\n${total} of ${budgetSeconds}\n\n`);
  process.stdout.write(`${closingLine({ ...count, failed })}\n`);
  return failed === 0 ? 0 : 1;
}

process.exitCode = await main(process.argv.slice(2));
