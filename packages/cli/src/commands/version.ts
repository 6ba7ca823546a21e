// `holdfast version`.
import { readFileSync } from 'node:fs';

import type { Command } from 'commander';

import { type CliContext, writeJson } from '../context.ts';

/** As the package says; the file stands beside src and dist alike. */
export function holdfastVersion(): string {
  const text = readFileSync(new URL('../../package.json', import.meta.url), 'utf8');
  return (JSON.parse(text) as { version: string }).version;
}

export function addVersionCommand(program: Command, context: CliContext): void {
  program
    .command('version')
    .description('print the version of this command')
    .action(async (_options: unknown, command: Command) => {
      const version = holdfastVersion();
      if (command.optsWithGlobals()['output'] === 'json') await writeJson(context, { version });
      else await context.terminal.out(`holdfast ${version}\n`);
    });
}
