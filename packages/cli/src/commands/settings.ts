// `holdfast settings`: what a start would take, and from where; and whether a file would do.
import { checkSettingsFile, type SettingLine, settingLines } from '@holdfast/server/setting-report';
import { settingKeys, settingTable } from '@holdfast/server/setting-table';
import type { Command } from 'commander';

import { type CliContext, globalsOf, writeJson } from '../context.ts';
import { usageExitCode } from '../failure.ts';
import { renderTable } from '../table.ts';
import { optionOf } from './start.ts';

type PrintOptions = { readonly origin?: true } & Readonly<
  Record<string, string | boolean | undefined>
>;

export function addSettingsCommands(program: Command, context: CliContext): void {
  const settings = program.command('settings').description("a member's settings, before its start");
  addPrint(settings, context);
  addCheck(settings, context);
}

function addPrint(settings: Command, context: CliContext): void {
  const print = settings
    .command('print')
    .description('what a start with these flags would take; secrets are left out')
    .option('--origin', 'with the flag, variable, or line of the file that each comes from')
    .option('--config <file>', 'read settings from this file (holdfast.yaml)')
    .addHelpText(
      'after',
      `
Takes the flags of \`holdfast start\`; flags beat variables, variables beat the file.

Example:
  holdfast settings print --origin --config /etc/holdfast/holdfast.yaml
`,
    );
  for (const key of settingKeys) print.addOption(optionOf(key, settingTable[key]).hideHelp());
  print.action(async ({ origin, ...flags }: PrintOptions, command: Command) => {
    const lines = settingLines(flags, context.env);
    if (globalsOf(command).output === 'json') await writeJson(context, lines);
    else await context.terminal.out(tableOf(lines, origin === true, context));
  });
}

function tableOf(lines: readonly SettingLine[], isOrigin: boolean, context: CliContext): string {
  const head = ['SETTING', 'VALUE', ...(isOrigin ? ['FROM'] : [])];
  const rows = lines.map(({ key, value = '', origin }) => [
    key,
    value,
    ...(isOrigin ? [origin] : []),
  ]);
  return renderTable(context.terminal, head, rows);
}

function addCheck(settings: Command, context: CliContext): void {
  settings
    .command('check')
    .description('all mistakes in a settings file; exit code 2 if there are any')
    .argument('<file>', 'as --config names it')
    .addHelpText('after', '\nExample:\n  holdfast settings check /etc/holdfast/holdfast.yaml\n')
    .action(async (file: string, _options: unknown, command: Command) => {
      const mistakes = checkSettingsFile(file);
      if (mistakes.length > 0) context.exitCode = usageExitCode;
      if (globalsOf(command).output === 'json') return writeJson(context, { file, mistakes });
      const lines = mistakes.map(({ line, says }) =>
        line === undefined ? `${file}: ${says}` : `${file}:${line}: ${says}`,
      );
      const well = `${file} holds no mistake.`;
      await context.terminal.out(`${(lines.length > 0 ? lines : [well]).join('\n')}\n`);
    });
}
