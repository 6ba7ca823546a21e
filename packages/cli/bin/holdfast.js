#!/usr/bin/env -S node --max-semi-space-size=32 --v8-pool-size=2
// The built command. It only finds the build and hands over; a checkout without one is told what to
// run. Room for what is young: a busy member's collections become fewer with it, and cheaper. Two
// threads to help with them and not four: each waits for all that take part, which on two cores
// wait for each other (docs/benchmarks.md, "The collector"). A running process can have neither.
import { existsSync } from 'node:fs';

const main = new URL('../dist/main.js', import.meta.url);
if (existsSync(main)) {
  await import(main.href);
} else {
  process.stderr.write(
    'holdfast: this checkout has not been built yet, so there is nothing to run.\n' +
      'Run `npm install && npm run build` in its top folder, then try again.\n',
  );
  process.exitCode = 1;
}
