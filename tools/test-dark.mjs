// `npm run test:dark`: the rig for the dark and what is tested in it. As root on Debian it installs
// what the rig needs; where there can be no rig it says why, and that is no failure.
import { spawnSync } from 'node:child_process';
import { installDarkPackages, whyNoDark } from './lib/dark-support.mjs';
import { vitest } from './lib/gates.mjs';
import { root } from './lib/workspace.mjs';

installDarkPackages();
const why = whyNoDark();
const projects =
  why === undefined ? ['--project', 'unit', '--project', 'e2e'] : ['--project', 'unit'];
const [program = '', ...args] = vitest(...projects, 'tools/dark', 'tests/dark-');
const { status } = spawnSync(program, args, { cwd: root, stdio: 'inherit' });
if (why !== undefined)
  process.stderr.write(`\nskipped: no rig for the dark here, because ${why}.\n`);
process.exitCode = status ?? 1;
