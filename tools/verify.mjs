// `npm run verify`: the read-only gate before a commit. Format, types, lint, dead code, wire
// contracts, house rules and unit tests, and a few seeds of the simulator.
import { firstSeeds, staticGates, vitest } from './lib/gates.mjs';
import { runSteps } from './lib/steps.mjs';

const verdicts = await runSteps([
  ...staticGates,
  {
    name: 'house rules and unit tests (vitest)',
    command: vitest('--project', 'unit', '--project', 'long'),
  },
  firstSeeds(50),
]);

const failed = verdicts.filter(({ ok }) => !ok);
const words = failed.length === 0 ? 'Everything holds.' : `${failed.length} of these failed.`;
process.stdout.write(`\n${words} ${failed.length === 0 ? '' : 'Some heal by `npm run fix`.'}\n`);
process.exitCode = failed.length === 0 ? 0 : 1;
