// `npm start`: from a fresh clone to a running cluster. Installs and builds what is missing, then
// becomes `holdfast dev`, in this very process, so that Ctrl-C and the exit code are the command's.
import { pathToFileURL } from 'node:url';
import { runStep } from './lib/steps.mjs';
import {
  binary,
  buildCommand,
  commandFlags,
  install,
  isInstalled,
  requireNode,
} from './lib/workspace.mjs';

async function prepare() {
  requireNode();
  if (!isInstalled()) {
    process.stdout.write('Installing the dependencies (once, about half a minute) ...\n');
    if (!install()) return false;
  }
  process.stdout.write('Building what has changed ...\n');
  return (await runStep({ name: 'build', command: buildCommand() })).ok;
}

if (await prepare()) {
  // The members that it starts get what it would have, were it run by its name.
  process.execArgv.push(...commandFlags());
  process.argv = [process.execPath, binary, 'dev', ...process.argv.slice(2)];
  await import(pathToFileURL(binary).href);
} else {
  process.exitCode = 1;
}
