// `holdfast config publish|rollback|delete`.
import { readFile } from 'node:fs/promises';

import { HoldfastError } from '@holdfast/base/errors';
import type { PublishResult } from '@holdfast/client/config-api';
import { type Command, Option } from 'commander';

import { type CliContext, withClient, writeJson } from '../context.ts';
import { readInput } from '../terminal.ts';
import { contentBytesMax } from '../tree/content-limit.ts';
import { formatOf } from '../tree/format-of.ts';
import { idOf, type PlaceOptions, versionOption, withPlace } from './config-options.ts';
import { withVersionsHint } from './config-versions.ts';

type PublishOptions = PlaceOptions & {
  readonly format?: string;
  readonly comment?: string;
  readonly ifVersion?: number;
  readonly new?: boolean;
};

export function addConfigWriteCommands(config: Command, context: CliContext): void {
  addPublish(config, context);
  addRollback(config, context);
  addDelete(config, context);
}

function addPublish(config: Command, context: CliContext): void {
  withPlace(config.command('publish'))
    .description('publish a document; FILE may be - for standard input')
    .argument('<name>')
    .argument('<file>')
    .addOption(
      new Option('--format <format>', "default: by the name's ending").choices([
        ...['json', 'yaml', 'toml', 'properties', 'xml', 'text'],
      ]),
    )
    .option('--comment <text>', 'why, for the history')
    .addOption(versionOption('--if-version <version>', 'only if this is the present version'))
    .addOption(new Option('--new', 'only if it is not there').conflicts('ifVersion'))
    .addHelpText(
      'after',
      `
Examples:
  holdfast config publish app.yaml ./app.yaml
  echo 'retries: 3' | holdfast config publish app.yaml - --comment 'more retries'
`,
    )
    .action(async (name: string, file: string, options: PublishOptions, command: Command) => {
      const content =
        file === '-' ? await readInput(context.terminal, contentBytesMax) : await readFile(file);
      await withClient(context, command, async ({ configs }, globals) => {
        const result = await configs.publish(idOf(name, options), content, {
          format: options.format ?? formatOf(name),
          comment: options.comment,
          ifVersion: options.new ? 0 : options.ifVersion,
          signal: context.signal,
        });
        const sentence = result.changed
          ? `Published ${name} as version ${result.version}, revision ${result.revision}.`
          : `${name} has this content already: version ${result.version} stays.`;
        await tell(context, { form: globals.output, sentence, result });
      });
    });
}

function addRollback(config: Command, context: CliContext): void {
  withPlace(config.command('rollback'))
    .description('make an earlier version the newest one again')
    .argument('<name>')
    .addOption(versionOption('--to <version>', 'which one').makeOptionMandatory())
    .option('--comment <text>', 'why, for the history')
    .addHelpText('after', '\nExample:\n  holdfast config rollback app.yaml --to 3\n')
    .action(
      async (
        name: string,
        options: PlaceOptions & { readonly to: number; readonly comment?: string },
        command: Command,
      ) => {
        await withClient(context, command, async ({ configs }, globals) => {
          const { comment } = options;
          const result = await configs
            .rollback(idOf(name, options), options.to, { comment, signal: context.signal })
            .catch((error: unknown) => {
              throw withVersionsHint(error, name, options);
            });
          const sentence = `${name} is version ${options.to} again, as version ${result.version}.`;
          await tell(context, { form: globals.output, sentence, result });
        });
      },
    );
}

function addDelete(config: Command, context: CliContext): void {
  withPlace(config.command('delete'))
    .alias('del')
    .description('delete a configuration')
    .argument('<name>')
    .addOption(versionOption('--if-version <version>', 'only if this is the present version'))
    .option('--comment <text>', 'why, for the history')
    .addHelpText('after', '\nExample:\n  holdfast config delete app.yaml\n')
    .action(
      async (
        name: string,
        options: PlaceOptions & { readonly ifVersion?: number; readonly comment?: string },
        command: Command,
      ) => {
        await withClient(context, command, async ({ configs }, globals) => {
          const { ifVersion, comment } = options;
          const wasThere = await configs.delete(idOf(name, options), {
            ifVersion,
            comment,
            signal: context.signal,
          });
          if (!wasThere) throw new HoldfastError('not-found', `${name} is not there`);
          if (globals.output === 'json') await writeJson(context, { deleted: true });
          else await context.terminal.out(`Deleted ${name}.\n`);
        });
      },
    );
}

async function tell(
  context: CliContext,
  said: { readonly form: string; readonly sentence: string; readonly result: PublishResult },
): Promise<void> {
  if (said.form === 'json') await writeJson(context, said.result);
  else await context.terminal.out(`${said.sentence}\n`);
}
