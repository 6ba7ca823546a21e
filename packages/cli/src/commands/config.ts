// `holdfast config`: the group of commands on configurations.
import type { Command } from 'commander';

import type { CliContext } from '../context.ts';
import { addConfigDiffCommand } from './config-diff.ts';
import { addConfigReadCommands } from './config-read.ts';
import { addConfigTreeCommands } from './config-tree.ts';
import { addConfigWatchCommand } from './config-watch.ts';
import { addConfigWriteCommands } from './config-write.ts';

export function addConfigCommands(program: Command, context: CliContext): void {
  const config = program
    .command('config')
    .description('publish, read and watch configurations')
    .addHelpText(
      'after',
      `
A configuration is one document in a group of a namespace; every version of it is kept.

Examples:
  holdfast config publish app.yaml ./app.yaml --comment 'more retries'
  holdfast config history app.yaml
  holdfast config diff app.yaml --from 3
  holdfast config import ./conf --group web
`,
    );
  addConfigWriteCommands(config, context);
  addConfigReadCommands(config, context);
  addConfigDiffCommand(config, context);
  addConfigWatchCommand(config, context);
  addConfigTreeCommands(config, context);
}
