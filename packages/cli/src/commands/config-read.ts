// `holdfast config get|list|history`.
import type { ConfigSummary, ConfigVersion } from '@holdfast/client/config-api';
import type { Command } from 'commander';

import { type CliContext, withClient, writeJson, writeJsonLine } from '../context.ts';
import { renderTable } from '../table.ts';
import {
  type FreshnessOptions,
  freshnessOf,
  idOf,
  type PlaceOptions,
  versionOption,
  withFreshness,
  withPlace,
} from './config-options.ts';
import { missing } from './config-versions.ts';
import { textOrBase64 } from './text-or-base64.ts';

export function addConfigReadCommands(config: Command, context: CliContext): void {
  addGet(config, context);
  addList(config, context);
  addHistory(config, context);
}

function addGet(config: Command, context: CliContext): void {
  withFreshness(withPlace(config.command('get')))
    .description('write the content to standard output, byte for byte')
    .argument('<name>')
    .addOption(versionOption('--version <version>', 'an earlier version instead of the newest'))
    .addHelpText(
      'after',
      '\nExamples:\n  holdfast config get app.yaml\n  holdfast config get app.yaml --version 3\n',
    )
    .action(
      async (
        name: string,
        options: PlaceOptions & FreshnessOptions & { readonly version?: number },
        command: Command,
      ) => {
        await withClient(context, command, async ({ configs }, globals) => {
          const id = idOf(name, options);
          const { version } = options;
          const found = await configs.get(id, {
            version,
            ...freshnessOf(options),
            signal: context.signal,
          });
          if (found === undefined) throw missing(name, version, options);
          if (globals.output === 'table') await context.terminal.out(found.content);
          else await writeJson(context, { ...id, ...found, content: textOrBase64(found.content) });
        });
      },
    );
}

function addList(config: Command, context: CliContext): void {
  withFreshness(withPlace(config.command('list')))
    .alias('ls')
    .description('list the configurations of a group')
    .argument('[prefix]', 'only names that begin so', '')
    .addHelpText(
      'after',
      '\nExamples:\n  holdfast config list\n  holdfast config list web/ -g prod\n',
    )
    .action(async (prefix: string, options: PlaceOptions & FreshnessOptions, command: Command) => {
      await withClient(context, command, async ({ configs }, globals) => {
        const items: ConfigSummary[] = [];
        const { namespace, group } = options;
        const freshness = freshnessOf(options);
        const all = configs.listAll({
          namespace,
          group,
          prefix,
          ...freshness,
          signal: context.signal,
        });
        for await (const item of all) {
          // A line at a time for programs: a group may hold more than anybody's memory.
          if (globals.output === 'json') await writeJsonLine(context, item);
          else items.push(item);
        }
        if (globals.output === 'table') await context.terminal.out(listTable(items, context));
      });
    });
}

function addHistory(config: Command, context: CliContext): void {
  withPlace(config.command('history'))
    .description('list the versions: who, when and why')
    .argument('<name>')
    .addHelpText('after', '\nExample:\n  holdfast config history app.yaml\n')
    .action(async (name: string, options: PlaceOptions, command: Command) => {
      await withClient(context, command, async ({ configs }, globals) => {
        const versions = await configs.history(idOf(name, options), { signal: context.signal });
        if (globals.output === 'json') await writeJson(context, versions);
        else await context.terminal.out(historyTable(versions, context));
      });
    });
}

function listTable(items: readonly ConfigSummary[], { terminal }: CliContext): string {
  if (items.length === 0) return 'No configurations.\n';
  return renderTable(
    terminal,
    ['name', 'format', 'version', 'revision', 'bytes'],
    items.map((item) => [item.name, item.format, item.version, item.revision, item.bytes]),
  );
}

function historyTable(versions: readonly ConfigVersion[], { terminal }: CliContext): string {
  return renderTable(
    terminal,
    ['version', 'revision', 'when', 'who', 'what', 'bytes', 'comment'],
    versions.map((one) => [
      one.version,
      one.revision,
      one.at,
      one.actor,
      one.kind,
      one.bytes,
      one.comment,
    ]),
  );
}
